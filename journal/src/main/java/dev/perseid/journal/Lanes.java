package dev.perseid.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/// For each piece that ran the lowest lane of its place that was free when it started.
final class Lanes {
  private record Busy(long until, int lane) {}

  private final Pieces pieces;
  private final int[] lane;
  private final int[] lanes;
  private final int[] shown;

  Lanes(Pieces pieces) {
    this.pieces = pieces;
    int places = pieces.trace.places().size();
    lane = new int[pieces.count];
    lanes = new int[places];
    List<PriorityQueue<Busy>> busy = new ArrayList<>();
    List<PriorityQueue<Integer>> free = new ArrayList<>();
    for (int p = 0; p < places; p++) {
      busy.add(new PriorityQueue<>(Comparator.comparingLong(Busy::until)));
      free.add(new PriorityQueue<>());
    }
    int[] byStart = LongOrder.by(pieces.start, pieces.count);
    int[] found = new int[pieces.count];
    int many = 0;
    for (int p : byStart) {
      if (pieces.attempt[p] < 0 || pieces.ran(p) <= 0) {
        continue;
      }
      found[many++] = p;
      int place = pieces.trace.placeOf(pieces.attempt[p]);
      PriorityQueue<Busy> held = busy.get(place);
      while (!held.isEmpty() && held.element().until <= pieces.start[p]) {
        free.get(place).add(held.remove().lane);
      }
      Integer lowest = free.get(place).poll();
      lane[p] = lowest == null ? lanes[place]++ : lowest;
      held.add(new Busy(pieces.end[p], lane[p]));
    }
    shown = Arrays.copyOf(found, many);
  }

  Pieces of() {
    return pieces;
  }

  /// The pieces that ran, by start.
  int[] pieces() {
    return shown;
  }

  /// A piece's lane at its place, from 0.
  int lane(int piece) {
    return lane[piece];
  }

  /// How many lanes a place has.
  int lanes(int place) {
    return lanes[place];
  }
}
