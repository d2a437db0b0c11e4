"""Names for asyncpg's connections, as the type checkers know them."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool
