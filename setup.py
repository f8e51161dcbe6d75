"""What pyproject.toml cannot say: two folders of the clone are installed inside callprint, the agent and a network.

Nothing else gets to the top level of site-packages: spouts and bolts travel in the topology's jar.
"""

from setuptools import find_packages, setup

AGENT = "callprint.capture_agent"
MODELS = "callprint.shipped_models"  # data alone; src/callprint/model_files.py finds it

setup(
    packages=[*find_packages("src", include=["callprint", "callprint.*"]), AGENT, MODELS],
    package_dir={"": "src", AGENT: "capture_agent", MODELS: "models"},
)
