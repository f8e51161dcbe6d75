"""NFStream, for comparison, over one capture with one metering process; bench_packet_path.py gives it its own venv."""

import sys

from nfstream import NFStreamer

if __name__ == "__main__":
    flows = sum(1 for _ in NFStreamer(source=sys.argv[1], n_meters=1, statistical_analysis=False))
    print(flows)
