package dev.perseid.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What was requested beside what was used, by kind.
final class Sizing {
  private static final double LITTLE = 0.5;

  private final Trace trace;

  Sizing(Trace trace) {
    this.trace = trace;
  }

  List<Findings.Size> sizes(double tight) {
    List<Findings.Size> sizes = new ArrayList<>();
    compare(sizes, "memory", Measure.MEMORY_ASKED, Measure.MEMORY, tight);
    compare(sizes, "gas", Measure.GAS_ASKED, Measure.GAS, tight);
    compare(sizes, "time", Measure.WALL_ASKED, Measure.WALL, tight);
    cores(sizes);
    return List.copyOf(sizes);
  }

  private void compare(
      List<Findings.Size> sizes, String resource, Measure asked, Measure used, double tight) {
    int kinds = trace.kinds().size();
    long[] mostAsked = new long[kinds];
    long[] mostUsed = new long[kinds];
    int[] known = new int[kinds];
    for (int a = 0; a < trace.attempts(); a++) {
      long wanted = trace.raw(a, asked);
      long took = used == Measure.WALL ? trace.ranNs(a).orElse(Trace.UNKNOWN) : trace.raw(a, used);
      if (wanted != Trace.UNKNOWN && wanted > 0 && took != Trace.UNKNOWN) {
        int k = trace.kindOf(trace.task(a));
        known[k]++;
        mostAsked[k] = Math.max(mostAsked[k], wanted);
        mostUsed[k] = Math.max(mostUsed[k], took);
      }
    }
    for (int k = 0; k < kinds; k++) {
      if (known[k] == 0) {
        continue;
      }
      double part = (double) mostUsed[k] / mostAsked[k];
      if (part < LITTLE) {
        add(
            sizes,
            k,
            resource,
            mostAsked[k],
            mostUsed[k],
            "asks for more than twice what it needs");
      } else if (part > 1) {
        add(sizes, k, resource, mostAsked[k], mostUsed[k], "needs more than it asks for");
      } else if (part > tight) {
        add(sizes, k, resource, mostAsked[k], mostUsed[k], "is at its limit: ask for more");
      }
    }
  }

  /// Cores by the processor time: a kind that has several and never keeps half of them busy.
  private void cores(List<Findings.Size> sizes) {
    int kinds = trace.kinds().size();
    long[] most = new long[kinds];
    double[] busy = new double[kinds];
    Arrays.fill(busy, -1);
    for (int a = 0; a < trace.attempts(); a++) {
      long given = trace.raw(a, Measure.CORES);
      long cpu = trace.raw(a, Measure.CPU);
      long ran = trace.ranNs(a).orElse(0);
      if (given > 0 && cpu != Trace.UNKNOWN && ran > 0) {
        int k = trace.kindOf(trace.task(a));
        most[k] = Math.max(most[k], given);
        busy[k] = Math.max(busy[k], (double) cpu / ran);
      }
    }
    for (int k = 0; k < kinds; k++) {
      long thousandths = Math.round(busy[k] * 1000);
      if (busy[k] >= 0 && most[k] > 1 && busy[k] < LITTLE * most[k]) {
        add(sizes, k, "cores", most[k], thousandths, "asks for more than twice what it needs");
      } else if (busy[k] > most[k] * 1.1) {
        add(sizes, k, "cores", most[k], thousandths, "keeps more cores busy than it asks for");
      }
    }
  }

  private void add(
      List<Findings.Size> sizes, int kind, String resource, long asked, long used, String verdict) {
    sizes.add(new Findings.Size(trace.kinds().get(kind), resource, asked, used, verdict));
  }
}
