package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LowestFirstTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 63, 64, 65, 4_096, 4_097, 200_000, 262_145})
  void behavesAsASortedSet(int bound) {
    Random random = new Random(bound);
    LowestFirst set = new LowestFirst(bound);
    TreeSet<Integer> model = new TreeSet<>();
    for (int i = 0; i < 20_000; i++) {
      int number = random.nextInt(bound);
      if (random.nextBoolean()) {
        set.add(number);
        model.add(number);
      } else {
        int gone = !model.isEmpty() && random.nextBoolean() ? model.first() : number;
        set.remove(gone);
        model.remove(gone);
      }
      assertThat(set.isEmpty()).as("bound %d, step %d", bound, i).isEqualTo(model.isEmpty());
      if (!model.isEmpty()) {
        assertThat(set.first()).as("bound %d, step %d", bound, i).isEqualTo(model.first());
      }
    }
  }
}
