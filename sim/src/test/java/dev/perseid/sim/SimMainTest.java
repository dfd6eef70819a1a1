package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

final class SimMainTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(String... args) {
    return SimMain.run(
        args,
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8));
  }

  @Test
  void printsALineForEachSeedAndASummary() {
    assertThat(run("--seed", "5", "--seeds", "2")).isZero();
    assertThat(out.toString(StandardCharsets.UTF_8).lines())
        .satisfiesExactly(
            l -> assertThat(l).startsWith("seed 5: ").contains("trace "),
            l -> assertThat(l).startsWith("seed 6: ").contains("trace "),
            l -> assertThat(l).startsWith("2 seeds, 0 broken"));
  }

  @Test
  void verbosePrintsWhatHappens() {
    assertThat(run("--verbose", "--seed", "5")).isZero();
    assertThat(out.toString(StandardCharsets.UTF_8))
        .contains("pool turns")
        .contains("the storm ends");
  }

  @Test
  void refusesArgumentsThatMakeNoSense() {
    assertThat(run("--seed")).isEqualTo(2);
    assertThat(run("--seed", "x")).isEqualTo(2);
    assertThat(run("--seeds", "0")).isEqualTo(2);
    assertThat(run("--sed", "1")).isEqualTo(2);
    assertThat(err.toString(StandardCharsets.UTF_8))
        .contains("--seed needs a whole number, not 'x'")
        .contains("'--sed' means nothing here")
        .contains("usage: perseid sim");
    assertThat(out.size()).isZero();
  }
}
