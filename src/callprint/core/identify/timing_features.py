"""Features of sizes, timestamps and arrival: how a stack cuts and paces its media. Compiled.

Arrival is compared with the sender's own clock (the RTP timestamps), so that a network delay shifts
nothing; what loss and jitter do to it is left to training with damaged calls.
"""

import numpy as np

from callprint.core.ground.compiled import Array, compiled_allocating
from callprint.core.identify.evidence_records import (
    FIRST,
    MAXIMUM_RTP,
    PAYLOAD_LENGTH,
    SECOND,
    SEQUENCE,
    TIME,
    TIMESTAMP,
    Whole,
    quantile_sorted,
    signed16,
    signed32,
)

TIMESTAMP_NAMES = (
    "packets_log2",
    "rate_8000",
    "rate_16000",
    "rate_48000",
    "rate_other",
    "rate_error",  # measured clock over the nearest usual clock
    "packet_duration_ms",
    "increment_fraction",  # packets whose timestamp step is the usual one
    "increments_distinct",
    "increment_second_ratio",  # the second most frequent step over the usual one
    "increment_second_fraction",
    "increment_zero_fraction",
    "increment_jump_fraction",  # steps above the usual one without a sequence gap: silence suppressed
    "increment_jump_log2",
    "increment_backward_fraction",
    "loss_fraction",
)
SIZE_NAMES = (
    "payload_first",
    "payload_usual",
    "payload_usual_fraction",
    "payload_minimum",
    "payload_maximum",
    "payload_mean",
    "payload_deviation",
    "payload_distinct",
    "payload_step_mean",  # mean absolute change from packet to packet
    "payload_step_zero",
    "payload_excess",  # usual payload less what the codec needs: an authentication tag
    "padded_payload_mean",
    "rate_kbits",
    "payload_multiple_of_4",
)
ARRIVAL_NAMES = (
    "gap_10",
    "gap_25",
    "gap_50",
    "gap_75",
    "gap_90",
    "gap_minimum",
    "gap_maximum",
    "gap_burst_fraction",  # packets that follow within a tenth of their duration
    "gap_late_fraction",  # gaps above 1.5 durations
    "gap_near_fraction",  # gaps within 5 % of the duration
    "gap_very_near_fraction",  # within 1 %
    "gap_deviation_ms",
    "gap_error_50_ms",
    "gap_correlation_1",
    "gap_correlation_2",
    "gap_correlation_3",
    "burst_longest",
    "gap_first",
    "gap_second",
    "residual_deviation_ms",
    "residual_50_ms",
    "residual_90_ms",
    "residual_slope",  # drift of arrival against the timestamps, ms for each second
    "gap_whole_ms_fraction",  # gaps within 0.1 ms of a whole millisecond
)


@compiled_allocating
def usual_increment(rtp: Array, packets: Whole) -> tuple[Whole, Whole]:
    """Return the most frequent positive timestamp step between packets in sequence, 0 when there is none."""
    values = np.zeros(MAXIMUM_RTP, np.int64)
    counts = np.zeros(MAXIMUM_RTP, np.int64)
    distinct = 0
    for i in range(1, packets):
        if signed16(rtp[i, SEQUENCE] - rtp[i - 1, SEQUENCE]) != 1:
            continue
        growth = signed32(rtp[i, TIMESTAMP] - rtp[i - 1, TIMESTAMP])
        if growth <= 0:
            continue
        for j in range(distinct):
            if values[j] == growth:
                counts[j] += 1
                break
        else:
            values[distinct] = growth
            counts[distinct] = 1
            distinct += 1
    best = 0
    for j in range(distinct):
        if counts[j] > counts[best] or (counts[j] == counts[best] and values[j] < values[best]):
            best = j
    if distinct == 0:
        return np.int64(0), 0
    return values[best], counts[best]


@compiled_allocating
def clock_rate(rtp: Array, packets: Whole, increment: Whole) -> tuple[float, float]:
    """Return the nearest usual clock rate in Hz and the measured one over it."""
    kind = rtp[0, SECOND] & 127
    elapsed = (rtp[packets - 1, TIME] - rtp[0, TIME]) / 1e9
    growth = float(signed32(rtp[packets - 1, TIMESTAMP] - rtp[0, TIMESTAMP]))
    measured = growth / elapsed if elapsed > 0.0 and growth > 0.0 else 0.0
    if kind < 20:
        return 8000.0, measured / 8000.0
    # Few packets in a burst say little about the clock, so the step votes too: 10 to 60 ms are usual.
    best = 8000.0
    best_error = 1e9
    for rate in (8000.0, 16000.0, 48000.0):
        duration_ms = increment / rate * 1000.0
        prior = 0.0 if 9.0 <= duration_ms <= 61.0 else 1.5
        error = prior + (abs(np.log(measured / rate)) if measured > 0.0 else 0.0)
        if error < best_error:
            best_error = error
            best = rate
    return best, measured / best


@compiled_allocating
def write_timestamps(
    rtp: Array,
    packets: Whole,
    increment: Whole,
    increment_count: Whole,
    rate: float,
    rate_ratio: float,
    out: Array,
) -> None:
    """Write TIMESTAMP_NAMES: how the media clock advances."""
    out[:] = 0.0
    out[0] = np.log2(packets + 1.0)
    if packets < 2:
        return
    out[1] = rate == 8000.0
    out[2] = rate == 16000.0
    out[3] = rate == 48000.0
    out[4] = rate_ratio < 0.5 or rate_ratio > 2.0
    out[5] = min(max(rate_ratio, 0.0), 4.0)
    out[6] = min(increment / rate * 1000.0, 200.0)
    values = np.zeros(MAXIMUM_RTP, np.int64)
    counts = np.zeros(MAXIMUM_RTP, np.int64)
    distinct = 0
    in_sequence = 0
    lost = 0
    for i in range(1, packets):
        steps = signed16(rtp[i, SEQUENCE] - rtp[i - 1, SEQUENCE])
        if 1 < steps < 100:
            lost += steps - 1
        if steps != 1:
            continue
        in_sequence += 1
        growth = signed32(rtp[i, TIMESTAMP] - rtp[i - 1, TIMESTAMP])
        if growth == 0:
            out[11] += 1
        elif growth < 0:
            out[14] += 1
        elif growth > increment + increment // 2:
            out[12] += 1
            out[13] = max(out[13], np.log2(growth / increment))
        for j in range(distinct):
            if values[j] == growth:
                counts[j] += 1
                break
        else:
            values[distinct] = growth
            counts[distinct] = 1
            distinct += 1
    if in_sequence:
        out[7] = increment_count / in_sequence
        out[8] = np.log2(1.0 + distinct)
        second = -1
        for j in range(distinct):
            if values[j] != increment and (second < 0 or counts[j] > counts[second]):
                second = j
        if second >= 0 and increment > 0:
            out[9] = min(max(values[second] / increment, -1.0), 8.0)
            out[10] = counts[second] / in_sequence
        for j in (11, 12, 14):
            out[j] /= in_sequence
    out[15] = lost / (packets + lost)


@compiled_allocating
def write_sizes(rtp: Array, packets: Whole, increment: Whole, out: Array) -> None:
    """Write SIZE_NAMES: how long the payloads are."""
    out[:] = 0.0
    if packets == 0:
        return
    counts = np.zeros(256, np.int64)
    total = 0.0
    squares = 0.0
    smallest = 255
    largest = 0
    padded = 0
    padded_total = 0.0
    for i in range(packets):
        size = rtp[i, PAYLOAD_LENGTH]
        counts[size] += 1
        total += size
        squares += float(size) * size
        smallest = min(smallest, size)
        largest = max(largest, size)
        if rtp[i, FIRST] & 32:
            padded += 1
            padded_total += size
        out[13] += (size & 3) == 0
    usual = np.argmax(counts)
    mean = total / packets
    out[0] = rtp[0, PAYLOAD_LENGTH]
    out[1] = usual
    out[2] = counts[usual] / packets
    out[3] = smallest
    out[4] = largest
    out[5] = mean
    out[6] = np.sqrt(max(0.0, squares / packets - mean * mean))
    out[7] = np.log2(1.0 + np.count_nonzero(counts))
    for i in range(1, packets):
        step = abs(rtp[i, PAYLOAD_LENGTH] - rtp[i - 1, PAYLOAD_LENGTH])
        out[8] += step
        out[9] += step == 0
    if packets > 1:
        out[8] /= packets - 1
        out[9] /= packets - 1
    kind = rtp[packets // 2, SECOND] & 127
    need = np.int64(-1)
    if kind in (0, 8, 9):
        need = increment  # 8 bits for each 1/8000 s
    elif kind == 3:
        need = increment * 33 // 160
    elif kind == 18:
        need = increment // 8
    if need > 0:
        out[10] = min(max(float(usual - need), -64.0), 64.0)
    if padded:
        out[11] = padded_total / padded
    elapsed = (rtp[packets - 1, TIME] - rtp[0, TIME]) / 1e9
    if elapsed > 0.0:
        out[12] = min(total * 8.0 / 1000.0 / elapsed, 500.0)
    out[13] /= packets


@compiled_allocating
def _ordered(values: Array) -> Array:
    """Return finite values sorted, by counting what is below each: of a hundred, and no branch to guess wrong."""
    ordered = np.full_like(values, np.inf)
    for i in range(len(values)):
        below = np.int64(0)
        for j in range(len(values)):
            below += np.int64(values[j] < values[i])
        ordered[below] = values[i]
    for i in range(1, len(values)):
        if ordered[i] == np.inf:  # equal values came to the same place
            ordered[i] = ordered[i - 1]
    return ordered


@compiled_allocating
def _correlation(values: Array, count: Whole, lag: Whole) -> float:
    """Return the autocorrelation of the first `count` values at `lag`."""
    if count < lag + 3:
        return 0.0
    mean = 0.0
    for i in range(count):
        mean += values[i]
    mean /= count
    variance = 0.0
    covariance = 0.0
    for i in range(count):
        variance += (values[i] - mean) ** 2
        if i >= lag:
            covariance += (values[i] - mean) * (values[i - lag] - mean)
    return covariance / variance if variance > 1e-9 else 0.0


@compiled_allocating
def write_arrival(rtp: Array, packets: Whole, increment: Whole, rate: float, out: Array) -> None:
    """Write ARRIVAL_NAMES: when the packets came, in units of the duration that each one carries."""
    out[:] = 0.0
    if packets < 2 or increment <= 0:
        return
    duration_ms = increment / rate * 1000.0
    gaps = np.zeros(MAXIMUM_RTP, np.float64)  # over the expected gap
    errors = np.zeros(MAXIMUM_RTP, np.float64)  # ms
    residuals = np.zeros(packets, np.float64)  # ms
    count = 0
    burst = 0
    whole = 0
    slope_xy = 0.0
    slope_xx = 0.0
    for i in range(1, packets):
        steps = signed16(rtp[i, SEQUENCE] - rtp[i - 1, SEQUENCE])
        growth_ms = signed32(rtp[i, TIMESTAMP] - rtp[i - 1, TIMESTAMP]) / rate * 1000.0
        gap_ms = (rtp[i, TIME] - rtp[i - 1, TIME]) / 1e6
        residuals[i] = residuals[i - 1] + min(max(gap_ms - growth_ms, -500.0), 500.0)
        if steps != 1:
            continue
        ratio = min(max(gap_ms / duration_ms, 0.0), 8.0)
        gaps[count] = ratio
        errors[count] = min(max(gap_ms - growth_ms, -200.0), 200.0)
        if ratio < 0.1:
            out[7] += 1
            burst += 1
            out[16] = max(out[16], burst)
        else:
            burst = 0
        out[8] += ratio > 1.5
        out[9] += abs(ratio - 1.0) < 0.05
        out[10] += abs(ratio - 1.0) < 0.01
        whole += gap_ms > 1.0 and abs(gap_ms - np.round(gap_ms)) < 0.1
        count += 1
    if count == 0:
        return
    out[17] = gaps[0]
    out[18] = gaps[1] if count > 1 else 0.0
    for lag in range(1, 4):
        out[12 + lag] = _correlation(errors, count, lag)
    mean = 0.0
    for i in range(count):
        mean += errors[i]
    mean /= count
    for i in range(count):
        out[11] += (errors[i] - mean) ** 2
    out[11] = np.log1p(np.sqrt(out[11] / count))
    ordered = _ordered(gaps[:count])
    for i in range(5):
        out[i] = quantile_sorted(ordered, count, (0.1, 0.25, 0.5, 0.75, 0.9)[i])
    out[5] = ordered[0]
    out[6] = np.log1p(ordered[count - 1])
    absolute = _ordered(np.abs(errors[:count]))
    out[12] = np.log1p(absolute[count // 2])
    for i in (7, 8, 9, 10):
        out[i] /= count
    out[16] = np.log1p(out[16])
    middle = (rtp[packets - 1, TIME] - rtp[0, TIME]) / 2e9
    residual_mean = np.mean(residuals)
    for i in range(packets):
        x = (rtp[i, TIME] - rtp[0, TIME]) / 1e9 - middle
        slope_xy += x * (residuals[i] - residual_mean)
        slope_xx += x * x
    residuals -= np.min(residuals)
    ordered_residuals = _ordered(residuals)
    out[19] = np.log1p(np.std(residuals))
    out[20] = np.log1p(quantile_sorted(ordered_residuals, packets, 0.5))
    out[21] = np.log1p(quantile_sorted(ordered_residuals, packets, 0.9))
    if slope_xx > 1e-9:
        slope = slope_xy / slope_xx
        out[22] = np.sign(slope) * np.log1p(abs(slope))
    out[23] = whole / count
