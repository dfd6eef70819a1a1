package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FairQueueTest {
  private static Market.Caller who(int account, String key) {
    return new Market.Caller(new Address(0, 0, account), key);
  }

  private static List<String> drain(FairQueue<String> queue) {
    List<String> out = new ArrayList<>();
    for (Optional<FairQueue.Place<String>> p = queue.poll(); p.isPresent(); p = queue.poll()) {
      out.add(p.get().item());
    }
    return out;
  }

  @Test
  void accountsTakeTurnsWhateverTheirNumberOfKeys() {
    FairQueue<String> queue = new FairQueue<>(100, 10, a -> 1);
    for (int i = 1; i <= 3; i++) {
      queue.offer(who(1, "a"), "a" + i, 0);
      queue.offer(who(1, "b"), "b" + i, 0);
    }
    queue.offer(who(2, "c"), "c1", 0);
    queue.offer(who(2, "c"), "c2", 0);
    assertThat(drain(queue)).containsExactly("a1", "c1", "b1", "c2", "a2", "b2", "a3", "b3");
  }

  @Test
  void weightsGiveMoreTurns() {
    FairQueue<String> queue = new FairQueue<>(100, 100, a -> a.c() == 1 ? 3 : 1);
    for (int i = 0; i < 40; i++) {
      queue.offer(who(1, "a"), "a", 0);
      queue.offer(who(2, "b"), "b", 0);
    }
    List<String> first = drain(queue).subList(0, 40);
    assertThat(first.stream().filter("a"::equals).count()).isBetween(29L, 31L);
  }

  @Test
  void itIsBounded() {
    FairQueue<String> queue = new FairQueue<>(3, 2, a -> 1);
    assertThat(queue.offer(who(1, "a"), "1", 0)).isPresent();
    assertThat(queue.offer(who(1, "a"), "2", 0)).isPresent();
    assertThat(queue.offer(who(1, "a"), "3", 0)).isEmpty();
    assertThat(queue.offer(who(1, "b"), "4", 0)).isPresent();
    assertThat(queue.offer(who(2, "c"), "5", 0)).isEmpty();
  }

  @Test
  void whoIsPutBackIsNextAgain() {
    FairQueue<String> queue = new FairQueue<>(10, 10, a -> 1);
    queue.offer(who(1, "a"), "1", 0);
    queue.offer(who(1, "a"), "2", 0);
    queue.offer(who(2, "b"), "3", 0);
    FairQueue.Place<String> first = queue.poll().orElseThrow();
    queue.putBack(first);
    assertThat(queue.poll().orElseThrow().item()).isEqualTo("1");
    queue.putBack(first);
    queue.remove(first);
    queue.remove(first);
    assertThat(queue.size()).isEqualTo(2);
  }

  @Test
  void theTimeToComeAgainIsMeasured() {
    FairQueue<String> queue = new FairQueue<>(100, 100, a -> 1);
    for (int i = 0; i < 9; i++) {
      queue.offer(who(1, "a"), "x", 0);
    }
    for (int ms = 0; ms <= 100_000; ms += 500) {
      queue.served(ms);
    }
    assertThat(queue.retryAfterMs()).isBetween(4_900L, 5_100L);
    for (int ms = 100_000; ms <= 200_000; ms += 10) {
      queue.served(ms);
    }
    assertThat(queue.retryAfterMs()).isEqualTo(GatewayLimits.RETRY_LEAST_MS);
  }

  @Test
  void whoWaitsTooLongIsTakenOut() {
    FairQueue<String> queue = new FairQueue<>(100, 100, a -> 1);
    queue.offer(who(1, "a"), "old", 10);
    queue.offer(who(2, "b"), "new", 30);
    assertThat(queue.expire(20)).extracting(FairQueue.Place::item).containsExactly("old");
    assertThat(drain(queue)).containsExactly("new");
  }

  @Test
  void nothingIsLostOrDoubled() {
    long seed = 1_011;
    Random random = new Random(seed);
    FairQueue<Integer> queue = new FairQueue<>(50, 10, a -> 1 + a.c() % 3);
    List<FairQueue.Place<Integer>> in = new ArrayList<>();
    for (int i = 0; i < 20_000; i++) {
      switch (random.nextInt(4)) {
        case 0, 1 ->
            queue.offer(who(random.nextInt(5), "k" + random.nextInt(3)), i, i).ifPresent(in::add);
        case 2 -> {
          Optional<FairQueue.Place<Integer>> place = queue.poll();
          assertThat(place.isPresent()).as("seed %d", seed).isEqualTo(!in.isEmpty());
          if (place.isPresent() && random.nextBoolean()) {
            queue.putBack(place.get());
          } else {
            place.ifPresent(p -> assertThat(in.remove(p)).as("seed %d", seed).isTrue());
          }
        }
        default -> {
          if (!in.isEmpty()) {
            queue.remove(in.remove(random.nextInt(in.size())));
          }
        }
      }
      assertThat(queue.size()).as("seed %d", seed).isEqualTo(in.size());
    }
  }
}
