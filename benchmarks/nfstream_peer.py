"""The peer NFStream over one capture, one metering process; run by bench_packet_path.py in a venv of its own."""

import sys

from nfstream import NFStreamer

if __name__ == "__main__":
    flows = sum(1 for _ in NFStreamer(source=sys.argv[1], n_meters=1, statistical_analysis=False))
    print(flows)
