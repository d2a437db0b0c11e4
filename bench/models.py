"""The process that is measured: one task, done by a worker."""

ONE_TASK = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="http://procession.bench">
  <process id="one-task" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="to-work" sourceRef="start" targetRef="work"/>
    <serviceTask id="work"><extensionElements><zeebe:taskDefinition type="work"/></extensionElements></serviceTask>
    <sequenceFlow id="to-end" sourceRef="work" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>"""
