"""What pyproject.toml cannot say: the capture agent, a folder of its own in the clone, is installed inside callprint.

Nothing else gets to the top level of site-packages: spouts and bolts travel in the topology's jar.
"""

from setuptools import find_packages, setup

AGENT = "callprint.capture_agent"

setup(
    packages=[*find_packages("src", include=["callprint", "callprint.*"]), AGENT],
    package_dir={"": "src", AGENT: "capture_agent"},
)
