package dev.perseid.core.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class SwitchboardTest {
  private static final double NEVER = Double.POSITIVE_INFINITY;

  private static Switchboard.Ready task(long id, int consumer, double work) {
    return new Switchboard.Ready(id, consumer, 0, NEVER, work, work, 0, Switchboard.NOWHERE, 0);
  }

  private static long id(Optional<Switchboard.Placement> placed) {
    return placed.orElseThrow().task().id();
  }

  @Test
  void sharesHoldAndPrioritiesStayWithinTheirConsumer() {
    Switchboard board = new Switchboard();
    int machine = board.machine(1, 0);
    int large = board.consumer(3);
    int small = board.consumer(1);
    for (int i = 0; i < 400; i++) {
      board.add(new Switchboard.Ready(i, large, 0, NEVER, 1, 1, 0, Switchboard.NOWHERE, 0));
      board.add(
          new Switchboard.Ready(
              1_000 + i, small, i == 399 ? 9 : 5, NEVER, 1, 1, 0, Switchboard.NOWHERE, 0));
    }
    int[] served = new int[2];
    long firstOfSmall = -1;
    for (int i = 0; i < 400; i++) {
      Switchboard.Placement placed = board.next(i).orElseThrow();
      served[placed.task().consumer()]++;
      if (placed.task().consumer() == small && firstOfSmall < 0) {
        firstOfSmall = placed.task().id();
      }
      board.freed(machine);
    }
    assertThat((double) served[large]).isCloseTo(300, within(2.0));
    assertThat(firstOfSmall).isEqualTo(1_399);
  }

  @Test
  void whoWasAwayDoesNotCatchUp() {
    Switchboard board = new Switchboard();
    int machine = board.machine(1, 0);
    int here = board.consumer(1);
    int away = board.consumer(1);
    for (int i = 0; i < 100; i++) {
      board.add(task(i, here, 1));
    }
    for (int i = 0; i < 50; i++) {
      assertThat(id(board.next(i))).isEqualTo(i);
      board.freed(machine);
    }
    for (int i = 0; i < 40; i++) {
      board.add(task(1_000 + i, away, 1));
    }
    int ofAway = 0;
    for (int i = 0; i < 40; i++) {
      ofAway += board.next(50 + i).orElseThrow().task().consumer() == away ? 1 : 0;
      board.freed(machine);
    }
    assertThat(ofAway).isBetween(19, 21);
  }

  @Test
  void deadlinesThenLongWaysGoFirst() {
    Switchboard board = new Switchboard();
    int machine = board.machine(1, 0);
    int consumer = board.consumer(1);
    board.add(new Switchboard.Ready(1, consumer, 0, NEVER, 5, 1, 0, -1, 0));
    board.add(new Switchboard.Ready(2, consumer, 0, NEVER, 50, 1, 0, -1, 0));
    board.add(new Switchboard.Ready(3, consumer, 0, 100, 1, 1, 0, -1, 0));
    board.add(new Switchboard.Ready(4, consumer, 0, 90, 1, 1, 0, -1, 0));
    board.add(new Switchboard.Ready(5, consumer, 1, NEVER, 1, 1, 0, -1, 0));
    List<Long> order = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      order.add(id(board.next(i)));
      assertThat(board.next(i)).isEmpty();
      board.freed(machine);
    }
    assertThat(order).containsExactly(5L, 4L, 3L, 2L, 1L);
    assertThat(board.ready()).isZero();
  }

  @Test
  void aTaskWaitsForAFastMachineOnlyWhereFewTasksAreLeft() {
    Switchboard board = new Switchboard();
    int slow = board.machine(1, 0);
    int fast = board.machine(10, 0);
    int consumer = board.consumer(1);
    board.add(task(1, consumer, 10));
    assertThat(board.next(0).orElseThrow().machine()).isEqualTo(fast);
    // Ends after 1 s on the fast one, or waits 1 s and ends after 2: better than 10 on the slow
    // one.
    board.add(task(2, consumer, 10));
    assertThat(board.next(0)).isEmpty();
    // With more tasks than machines an idle one is not left idle.
    board.add(task(3, consumer, 10));
    board.add(task(4, consumer, 10));
    assertThat(board.next(0).orElseThrow().machine()).isEqualTo(slow);
    board.freed(fast);
    assertThat(board.next(1).orElseThrow().machine()).isEqualTo(fast);
  }

  @Test
  void inputsAndBurdenCount() {
    Switchboard board = new Switchboard();
    int near = board.machine(1, 0);
    int far = board.machine(2, 0);
    int dirty = board.machine(4, 3);
    int consumer = board.consumer(1);
    // 10 s near; 5 s far, if its inputs did not take 6 s; 2.5 s and 3 units a second on the fast
    // one.
    board.add(new Switchboard.Ready(1, consumer, 0, NEVER, 10, 10, 2, near, 6));
    assertThat(board.next(0).orElseThrow().machine()).isEqualTo(near);
    board.freed(near);
    board.add(new Switchboard.Ready(2, consumer, 0, NEVER, 10, 10, 2, near, 1));
    assertThat(board.next(0).orElseThrow().machine()).isEqualTo(far);
    board.freed(far);
    board.add(new Switchboard.Ready(3, consumer, 0, NEVER, 10, 10, 0, near, 1));
    Switchboard.Placement placed = board.next(0).orElseThrow();
    assertThat(placed.machine()).isEqualTo(dirty);
    assertThat(placed.end()).isEqualTo(3.5);
    assertThat(placed.candidates()).isEqualTo(4);
  }
}
