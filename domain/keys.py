"""Keys: 64-bit numbers that name things for ever and route by themselves.

A key holds, from high to low: the partition (9 bits), a number of that partition (40 bits) and a local part (14 bits).
A process instance has local part 0; its element instances, jobs, timers and so on carry the instance's number and a
local part of their own, so that any of their keys leads to the instance's stream without a look-up. An instance that
uses up its local parts takes a further number of the partition (`KeyBlockTaken`).
"""

PARTITION_BITS = 9
NUMBER_BITS = 40
LOCAL_BITS = 14

PARTITIONS_MAX = (1 << PARTITION_BITS) - 1
NUMBER_MAX = (1 << NUMBER_BITS) - 1
LOCAL_MAX = (1 << LOCAL_BITS) - 1
KEY_MAX = (1 << (PARTITION_BITS + NUMBER_BITS + LOCAL_BITS)) - 1

FIRST_PARTITION = 1
"""Partitions count from 1, as positions do. The definitions live on the first one."""


def make_key(partition: int, number: int, local: int = 0) -> int:
    """Return the key of (partition, number, local)."""
    assert FIRST_PARTITION <= partition <= PARTITIONS_MAX, f"partition {partition} is outside 1..{PARTITIONS_MAX}"
    assert 0 < number <= NUMBER_MAX, f"number {number} is outside 1..{NUMBER_MAX}"
    assert 0 <= local <= LOCAL_MAX, f"local part {local} is outside 0..{LOCAL_MAX}"
    return (partition << (NUMBER_BITS + LOCAL_BITS)) | (number << LOCAL_BITS) | local


def partition_of(key: int) -> int:
    """Return the partition that owns `key`."""
    return key >> (NUMBER_BITS + LOCAL_BITS)


def block_of(key: int) -> int:
    """Return the key with its local part cleared: the instance's key, or that of a further block it took."""
    return key & ~LOCAL_MAX


def number_of(key: int) -> int:
    """Return the number that the partition gave to the block of `key`."""
    return (key >> LOCAL_BITS) & NUMBER_MAX
