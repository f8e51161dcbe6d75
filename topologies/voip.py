"""The topology: media batches from Kafka, flows put together, applications identified, verdicts stored.

Beside it signalling from Kafka; with the flows that identification tells of it becomes calls, which are judged.

How many tasks each component has is in config.json: `callprint.parallelism.COMPONENT` among the options of an
environment. (The file cannot be called callprint.py: streamparse imports it by its bare name, and would get the
package instead.)
"""

from streamparse import Grouping, Topology
from streamparse.util import get_config

from bolts.assemble_flows import AssembleFlows
from bolts.identify_application import IdentifyApplication
from bolts.judge_calls import JudgeCalls
from bolts.keep_feedback import KeepFeedback
from bolts.store_verdicts import StoreVerdicts
from callprint.topology.submit import parallelism
from callprint.topology.tuples import FLOWS
from spouts.feedback import FeedbackSpout
from spouts.media import MediaSpout
from spouts.signaling import SignalingSpout

TASKS = parallelism(get_config())
TICK = {"topology.tick.tuple.freq.secs": 5}


class VoipTopology(Topology):
    """All tuples of a partition go to one task of each bolt with state, in order; of calls, all of a site."""

    media_spout = MediaSpout.spec(par=TASKS["media_spout"])
    assemble_flows = AssembleFlows.spec(
        inputs={media_spout: Grouping.fields("shard")}, par=TASKS["assemble_flows"]
    )
    identify_application = IdentifyApplication.spec(
        inputs={assemble_flows: Grouping.fields("shard")}, par=TASKS["identify_application"], config=TICK
    )
    signaling_spout = SignalingSpout.spec(par=TASKS["signaling_spout"])
    judge_calls = JudgeCalls.spec(
        inputs={
            signaling_spout: Grouping.fields("site"),
            identify_application[FLOWS]: Grouping.fields("site"),
        },
        par=TASKS["judge_calls"],
    )
    store_verdicts = StoreVerdicts.spec(inputs=[identify_application], par=TASKS["store_verdicts"])
    feedback_spout = FeedbackSpout.spec(par=TASKS["feedback_spout"])
    keep_feedback = KeepFeedback.spec(
        inputs={feedback_spout: Grouping.fields("caller")}, par=TASKS["keep_feedback"]
    )
