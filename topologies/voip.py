"""The topology: flows reassembled from Kafka's media batches, applications identified, verdicts stored.

Beside it, signalling from Kafka: together with the identified flows it becomes calls, which are judged. And feedback,
which is stored where the judge of calls finds it.

config.json says how many tasks each component has: `callprint.parallelism.COMPONENT` among the options of an
environment. (This file cannot be called callprint.py: streamparse imports it by its bare name, and would get the
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
from spouts.signalling import SignallingSpout

TASKS = parallelism(get_config())
TICK = {"topology.tick.tuple.freq.secs": 5}


class VoipTopology(Topology):
    """All tuples of a partition go, in order, to one task of each bolt with state; those of calls go by site."""

    media_spout = MediaSpout.spec(par=TASKS["media_spout"])
    assemble_flows = AssembleFlows.spec(
        inputs={media_spout: Grouping.fields("partition")}, par=TASKS["assemble_flows"]
    )
    identify_application = IdentifyApplication.spec(
        inputs={assemble_flows: Grouping.fields("partition")}, par=TASKS["identify_application"], config=TICK
    )
    # Storm and config.json know it by its released name.
    signalling_spout = SignallingSpout.spec(name="signaling_spout", par=TASKS["signaling_spout"])
    judge_calls = JudgeCalls.spec(
        inputs={
            signalling_spout: Grouping.fields("site"),
            identify_application[FLOWS]: Grouping.fields("site"),
        },
        par=TASKS["judge_calls"],
    )
    store_verdicts = StoreVerdicts.spec(inputs=[identify_application], par=TASKS["store_verdicts"])
    feedback_spout = FeedbackSpout.spec(par=TASKS["feedback_spout"])
    keep_feedback = KeepFeedback.spec(
        inputs={feedback_spout: Grouping.fields("caller")}, par=TASKS["keep_feedback"]
    )
