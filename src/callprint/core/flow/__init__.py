"""The flow engine: RTP flows out of packet columns, with bounded memory and every packet in one counter."""

from callprint.core.flow.engine import EngineSettings, FlowEngine, FlowEvents

__all__ = ["EngineSettings", "FlowEngine", "FlowEvents"]
