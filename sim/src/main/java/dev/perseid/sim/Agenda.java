package dev.perseid.sim;

import java.util.PriorityQueue;

/// Virtual time: what happens when. Things of the same microsecond happen in the order in which
/// they were put down. Nothing here looks at a real clock.
final class Agenda {
  /// Something that is going to happen.
  interface Happening {
    void happen();
  }

  private record Item(long atUs, long order, String what, long who, Happening happening)
      implements Comparable<Item> {
    @Override
    public int compareTo(Item o) {
      return atUs != o.atUs ? Long.compare(atUs, o.atUs) : Long.compare(order, o.order);
    }
  }

  private final PriorityQueue<Item> items = new PriorityQueue<>();
  private final Diary diary;
  private long nowUs;
  private long order;
  private long happened;

  Agenda(Diary diary) {
    this.diary = diary;
  }

  /// Microseconds since the world began.
  long nowUs() {
    return nowUs;
  }

  /// How much has happened.
  long happened() {
    return happened;
  }

  /// Puts something down `delayUs` from now.
  ///
  /// @param what a short constant for the diary
  /// @param who which of several, for the diary
  void after(long delayUs, String what, long who, Happening happening) {
    items.add(new Item(nowUs + Math.max(0, delayUs), order++, what, who, happening));
  }

  /// Lets the next thing happen; false when nothing is left.
  boolean step() {
    Item next = items.poll();
    if (next == null) {
      return false;
    }
    nowUs = next.atUs;
    happened++;
    diary.note(nowUs, next.what, next.who);
    next.happening.happen();
    return true;
  }
}
