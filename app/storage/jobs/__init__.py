"""The job store: queued requests, from their acknowledgement until their result has been kept long enough.

`contract` says what every store promises. `memory` keeps the promises for one process; `sql_store` keeps
them over a `database`, of which there are two: `sqlite`, a file, and `postgres`, shared by many gateways.
"""

from app.storage.jobs.contract import (
    Acknowledgement,
    Claim,
    JobStore,
    Keeping,
    Lease,
    LogLine,
    NewRequest,
    Once,
    Progress,
    RequestState,
    RequestView,
    Standing,
)
from app.storage.jobs.memory import MemoryJobStore
from app.storage.jobs.opening import open_jobs
from app.storage.jobs.outbox import Message, Outbox

__all__ = [
    "Acknowledgement",
    "Claim",
    "JobStore",
    "Keeping",
    "Lease",
    "LogLine",
    "MemoryJobStore",
    "Message",
    "NewRequest",
    "Once",
    "Outbox",
    "Progress",
    "RequestState",
    "RequestView",
    "Standing",
    "open_jobs",
]
