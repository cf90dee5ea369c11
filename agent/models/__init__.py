from agent.models.config import Agent, AgentConfig, AgentType
from agent.models.draft import Draft, DraftStatus
from agent.models.log import AgentLog, Decision, LogType
from agent.models.task import AgentTask, TaskStatus, TaskType

__all__ = [
    "Agent",
    "AgentConfig",
    "AgentLog",
    "AgentTask",
    "AgentType",
    "Decision",
    "Draft",
    "DraftStatus",
    "LogType",
    "TaskStatus",
    "TaskType",
]
