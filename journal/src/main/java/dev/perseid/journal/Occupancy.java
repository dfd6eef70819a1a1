package dev.perseid.journal;

import java.util.Arrays;

/// How many cores were busy at each place, and when all of those that were ever seen busy there
/// were.
final class Occupancy {
  private final int[] peaks;

  /// For each place when the number changed, and for how long it had been full until then; empty if
  /// nobody will ask.
  private final long[][] changes;

  private final long[][] full;
  private final boolean[][] fullAfter;

  Occupancy(Pieces pieces) {
    Trace trace = pieces.trace;
    int places = trace.places().size();
    boolean asked = trace.has(Measure.ASSIGNED);
    peaks = new int[places];
    changes = new long[places][0];
    full = new long[places][0];
    fullAfter = new boolean[places][];
    int[] to = new int[places];
    for (int p = 0; p < pieces.count; p++) {
      if (counts(pieces, p)) {
        to[trace.placeOf(pieces.attempt[p])] += 2;
      }
    }
    int[] at = new int[places];
    int[][] which = new int[places][];
    for (int place = 0; place < places; place++) {
      which[place] = new int[to[place]];
    }
    for (int p = 0; p < pieces.count; p++) {
      if (counts(pieces, p)) {
        int place = trace.placeOf(pieces.attempt[p]);
        // Odd: its start. Ends sort first where the times are equal, because they stand first.
        which[place][at[place]] = 2 * p;
        which[place][at[place] + to[place] / 2] = 2 * p + 1;
        at[place]++;
      }
    }
    for (int place = 0; place < places; place++) {
      sweep(pieces, place, which[place], asked);
    }
  }

  private static boolean counts(Pieces pieces, int p) {
    return pieces.attempt[p] >= 0 && pieces.ran(p) > 0;
  }

  private void sweep(Pieces pieces, int place, int[] which, boolean asked) {
    long[] times = new long[which.length];
    for (int i = 0; i < which.length; i++) {
      int p = which[i] >> 1;
      times[i] = (which[i] & 1) == 0 ? pieces.end[p] : pieces.start[p];
    }
    int[] order = LongOrder.by(times, which.length);
    int busy = 0;
    int[] after = new int[which.length];
    for (int k = 0; k < order.length; k++) {
      int w = which[order[k]];
      busy += (w & 1) == 0 ? -pieces.cores[w >> 1] : pieces.cores[w >> 1];
      after[k] = busy;
      peaks[place] = Math.max(peaks[place], busy);
    }
    if (!asked) {
      return;
    }
    long[] when = new long[which.length];
    long[] sum = new long[which.length];
    boolean[] filled = new boolean[which.length];
    for (int k = 0; k < order.length; k++) {
      when[k] = times[order[k]];
      sum[k] = k == 0 ? 0 : sum[k - 1] + (filled[k - 1] ? when[k] - when[k - 1] : 0);
      filled[k] = after[k] >= peaks[place];
    }
    changes[place] = when;
    full[place] = sum;
    fullAfter[place] = filled;
  }

  /// At most how many cores were busy, by place.
  int[] peaks() {
    return peaks;
  }

  /// How much of a time no core was free at a place.
  long fullNs(int place, long from, long to) {
    return to <= from ? 0 : fullUntil(place, to) - fullUntil(place, from);
  }

  private long fullUntil(int place, long time) {
    long[] when = changes[place];
    long[] sum = full[place];
    if (when.length == 0) {
      return 0;
    }
    int k = Arrays.binarySearch(when, time);
    k = k >= 0 ? k : -k - 2;
    return k < 0 ? 0 : sum[k] + (fullAfter[place][k] ? time - when[k] : 0);
  }
}
