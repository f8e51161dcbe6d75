"""Voice quality of flows and calls: the E-model of ITU-T G.107 on what the packets show."""
