package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.ToLongFunction;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/// The main test of the project: many worlds, each with its own faults, in none of which a rule is
/// broken.
final class SimulationTest {
  private static final long FIRST_SEED = 1;
  private static final long SEEDS = 240;

  @Test
  void noRuleIsBrokenInAnyWorld() {
    List<Verdict> verdicts =
        LongStream.range(FIRST_SEED, FIRST_SEED + SEEDS)
            .parallel()
            .mapToObj(SimulationTest::run)
            .toList();

    assertThat(verdicts).hasSize((int) SEEDS);
    // The worlds are worth running: every kind of ending and every kind of fault occurs.
    assertThat(sum(verdicts, Verdict::done)).as("jobs done").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::failed)).as("jobs failed").isGreaterThan(SEEDS / 4);
    assertThat(sum(verdicts, Verdict::cancelled)).as("jobs cancelled").isGreaterThan(SEEDS / 8);
    assertThat(sum(verdicts, Verdict::lost)).as("attempts lost").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::refused)).as("attempts refused").isGreaterThan(SEEDS / 4);
    assertThat(sum(verdicts, Verdict::copies)).as("second attempts").isGreaterThan(SEEDS / 4);
    assertThat(sum(verdicts, Verdict::onGpus)).as("done on GPUs").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::refusals)).as("commands refused").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::restarts)).as("pool restarts").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::tasksDone)).as("tasks done").isGreaterThan(10 * SEEDS);
    assertThat(sum(verdicts, Verdict::requests)).as("requests").isGreaterThan(10 * SEEDS);
    assertThat(sum(verdicts, Verdict::judged)).as("tasks judged").isGreaterThan(5 * SEEDS);
    assertThat(sum(verdicts, Verdict::refuted)).as("records refuted").isGreaterThan(SEEDS / 4);
    assertThat(sum(verdicts, Verdict::doubted)).as("results doubted").isGreaterThan(SEEDS / 16);
    assertThat(sum(verdicts, Verdict::replaced)).as("and replaced").isPositive();
    assertThat(sum(verdicts, Verdict::paidForRequests)).as("paid for them").isGreaterThan(SEEDS);
    assertThat(sum(verdicts, Verdict::vouchers)).as("vouchers").isGreaterThan(10 * SEEDS);
    assertThat(sum(verdicts, Verdict::epochs)).as("epochs settled").isGreaterThan(SEEDS);
  }

  @Test
  void theSameSeedIsTheSameRun() {
    for (long seed : new long[] {3, 17, 4711}) {
      assertThat(run(seed)).as("seed %d", seed).isEqualTo(run(seed));
    }
    assertThat(run(3).digest()).isNotEqualTo(run(4).digest());
  }

  @Test
  void theSameSeedIsTheSameRunInAnotherProcess() throws Exception {
    long seed = 23;
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process p =
        new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                SimMain.class.getName(),
                "--seed",
                Long.toString(seed))
            .redirectErrorStream(true)
            .start();
    String printed = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(printed).isEqualToIgnoringNewLines(run(seed).line());
    assertThat(p.exitValue()).isZero();
  }

  @Test
  void holdsWithRealKeysAndDigests() {
    Verdict v = Simulation.run(11, new RealSeals(), Sabotage.NONE, null);
    assertThat(v.records()).isPositive();
  }

  private static Verdict run(long seed) {
    return Simulation.run(seed, new CheapSeals(), Sabotage.NONE, null);
  }

  private static long sum(List<Verdict> verdicts, ToLongFunction<Verdict> what) {
    return verdicts.stream().mapToLong(what).sum();
  }
}
