package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ChunkRoomTest {
  private final List<Integer> taken = new ArrayList<>();

  /// A device with room for so many.
  private int take(int wanted, int most, int mostInOne, int room) throws OpenCl.Refusal {
    return ChunkRoom.take(
        () -> wanted,
        most,
        mostInOne,
        (first, count) -> {
          assertThat(first).isEqualTo(taken.stream().mapToInt(one -> one).sum());
          boolean fits = first + count <= room;
          if (fits) {
            taken.add(count);
          }
          return fits;
        });
  }

  @Test
  void buffersAreAsLargeAsTheyMayBe() throws Exception {
    assertThat(take(10, 100, 4, 100)).isEqualTo(10);
    assertThat(taken).containsExactly(4, 4, 2);
  }

  @Test
  void allRoomIsUsed() throws Exception {
    for (int room = 0; room <= 20; room++) {
      taken.clear();
      assertThat(take(20, 100, 8, room)).as("of %d", room).isEqualTo(room);
    }
  }

  @Test
  void noMoreIsTakenThanThereMayBe() throws Exception {
    assertThat(take(10, 3, 8, 100)).isEqualTo(3);
    assertThat(take(10, 100, 0, 100)).isZero();
  }

  @Test
  void whoWantsFewerMeanwhileGetsFewer() throws Exception {
    int[] wanted = {12};
    int got =
        ChunkRoom.take(
            () -> wanted[0],
            100,
            4,
            (_, _) -> {
              wanted[0] = 6;
              return true;
            });
    assertThat(got).isEqualTo(6);
  }
}
