package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.FromProvider;
import dev.perseid.core.ToProvider;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CableTest {
  private final Agenda agenda = new Agenda(new Diary(null));
  private final List<String> atPool = new ArrayList<>();
  private final List<String> atProvider = new ArrayList<>();

  private Cable cable(Cable.Net net) {
    return new Cable(net, 0, 1, () -> true, end(atPool), end(atProvider));
  }

  private static <M> Cable.End<M> end(List<String> seen) {
    return new Cable.End<>() {
      @Override
      public void arrived(Cable cable, M message) {
        seen.add(
            switch (message) {
              case FromProvider.Goodbye g -> g.reason();
              case ToProvider.Durable d -> d.leases().toString();
              default -> "?";
            });
      }

      @Override
      public void broken(Cable cable) {
        seen.add("broken");
      }
    };
  }

  private static Weather weather(int harsh, int breaks) {
    Weather w = Weather.of(new Dice(1));
    return new Weather(
        w.providers(),
        w.liars(),
        w.consumers(),
        w.jobs(),
        w.jobTasks(),
        w.stormUs(),
        10_000,
        harsh,
        breaks,
        w.providerCrashUs(),
        w.providerDrainUs(),
        w.poolCrashUs(),
        w.vanishPerMyriad(),
        w.syncUs(),
        w.stallPerMyriad(),
        w.snapshotPerMyriad(),
        w.taskFailsPerMyriad(),
        w.attemptFailsPerMyriad(),
        w.cancelPerMyriad(),
        w.doublePerMyriad(),
        w.wrongPerMyriad(),
        w.poorPerMyriad(),
        w.liePerMyriad(),
        w.hangPerMyriad(),
        w.skewUs(),
        w.stepUs(),
        w.taskUs(),
        0,
        0,
        0);
  }

  private void sendAHundred(Cable cable) {
    for (int i = 0; i < 100; i++) {
      int n = i;
      agenda.after(
          i * 100L,
          "send",
          i,
          () -> {
            cable.toPool(new FromProvider.Goodbye("" + n));
            cable.toProvider(new ToProvider.Durable(List.of((long) n)));
          });
    }
    boolean more = true;
    while (more) {
      more = agenda.step();
    }
  }

  private static List<String> numbers(int count, String format) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(String.format(format, i));
    }
    return out;
  }

  @Test
  void aStreamIsInOrder() {
    sendAHundred(cable(new Cable.Net(agenda, new Dice(5), weather(0, 0))));
    assertThat(atPool).isEqualTo(numbers(100, "%d"));
    assertThat(atProvider).isEqualTo(numbers(100, "[%d]"));
  }

  @Test
  void aBrokenStreamLosesASuffixAndBothEndsSeeIt() {
    for (int seed = 0; seed < 50; seed++) {
      atPool.clear();
      atProvider.clear();
      sendAHundred(cable(new Cable.Net(agenda, new Dice(seed), weather(0, 500))));
      assertThat(atPool).as("seed %d", seed).containsOnlyOnce("broken");
      assertThat(atProvider).as("seed %d", seed).containsOnlyOnce("broken");
      assertThat(atPool.remove("broken") && atProvider.remove("broken")).isTrue();
      assertThat(atPool).as("seed %d", seed).isEqualTo(numbers(atPool.size(), "%d"));
      assertThat(atProvider).as("seed %d", seed).isEqualTo(numbers(atProvider.size(), "[%d]"));
    }
  }

  @Test
  void aHarshNetworkDoublesAndReordersUntilItCalmsDown() {
    Cable.Net net = new Cable.Net(agenda, new Dice(5), weather(3_000, 0));
    sendAHundred(cable(net));
    assertThat(atPool).hasSizeGreaterThan(100).containsAll(numbers(100, "%d"));
    assertThat(atPool.stream().distinct().toList()).isNotEqualTo(numbers(100, "%d"));
    atPool.clear();
    net.calm();
    sendAHundred(cable(net));
    assertThat(atPool).isEqualTo(numbers(100, "%d"));
  }
}
