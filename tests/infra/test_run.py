import httpx
import pytest

from infra.engine_lock import EngineCannotStart
from infra.run import serving
from infra.settings import load


async def test_the_topology_names_the_port_that_was_chosen_and_nobody_else_gets_it(database_url: str) -> None:
    settings = load({"database_url": database_url, "port": 0, "partitions": 1})
    async with serving(settings) as (_, address), httpx.AsyncClient(base_url=address) as client:
        (broker,) = (await client.get("/v2/topology")).json()["brokers"]
        port = int(address.rpartition(":")[2])

        assert broker["port"] == port > 0
        with pytest.raises(EngineCannotStart, match=f"cannot listen on 127.0.0.1, port {port}: "):
            async with serving(settings.model_copy(update={"port": port})):
                pass
