package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// One run of a module, by the compiler and by the interpreter: outcome, gas, memory and outputs
/// must be equal.
class EngineTest {
  private static final byte[] ARGS = "5000 100 3000".getBytes(StandardCharsets.US_ASCII);
  private static final List<byte[]> INPUTS =
      List.of(
          "the cat and the dog and The End".getBytes(StandardCharsets.US_ASCII), new byte[1000]);

  private static Modules.Seen same(byte[] wasm, RunLimits limits) {
    Modules.Seen compiled = Modules.run(wasm, true, ARGS, INPUTS, limits);
    assertThat(Modules.run(wasm, true, ARGS, INPUTS, limits))
        .as("a second run")
        .isEqualTo(compiled);
    assertThat(Modules.run(wasm, false, ARGS, INPUTS, limits))
        .as("interpreted")
        .isEqualTo(compiled);
    return compiled;
  }

  private static RunLimits gas(long gas) {
    return new RunLimits(gas, 64L << 20, 1L << 20, 60_000);
  }

  @ParameterizedTest
  @CsvSource({
    "spin, OUT_OF_GAS",
    "forever, OUT_OF_GAS",
    "recurse, RECURSION_LIMIT",
    "recurse_wide, RECURSION_LIMIT",
    "grow, MEMORY_LIMIT",
    "exit7, EXIT_CODE",
    "trap_late, TRAP",
    "overrun_write, TRAP",
    "overrun_read, TRAP",
    "undeclared, TRAP",
    "flood, OUTPUT_LIMIT",
    "data_outside, TRAP",
  })
  void failsAsItShouldOnBothEngines(String module, Verdict.Kind kind) {
    assertThat(same(Modules.wasm(module), gas(9_000_000)).kind()).isEqualTo(kind);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mixed", "nan", "echo", "fill", "grow_and_live", "collide"})
  void isDoneWithTheSameGasOnBothEngines(String module) {
    assertThat(same(Modules.wasm(module), Modules.ROOMY).kind()).isNull();
  }

  @ParameterizedTest
  @ValueSource(strings = {"empty", "burn", "wordcount"})
  void examplesGiveTheSameOnBothEngines(String module) {
    assertThat(same(Modules.exampleBytes(module), Modules.ROOMY).kind()).isNull();
  }

  @Test
  void theGasOfTheSimplestTaskIsTheDocumentedSum() {
    // start, a page, a step, entry, one constant
    assertThat(same(Modules.exampleBytes("empty"), Modules.ROOMY).gas())
        .isEqualTo(1_000 + 4_096 + 100 + 2 + 1);
  }

  @Test
  void oneUnitLessThanNeededIsOutOfGas() {
    for (String module : List.of("mixed", "echo", "fill")) {
      long need = same(Modules.wasm(module), Modules.ROOMY).gas();
      assertThat(same(Modules.wasm(module), gas(need)).kind()).as(module).isNull();
      Modules.Seen short1 = same(Modules.wasm(module), gas(need - 1));
      assertThat(short1.kind()).as(module).isEqualTo(Verdict.Kind.OUT_OF_GAS);
      assertThat(short1.gas()).as(module).isEqualTo(need - 1);
    }
  }

  @Test
  void anyGasLimitEndsTheSameOnBothEngines() {
    long seed = 42;
    Random random = new Random(seed);
    Profile.Metered metered = prepare(Modules.wasm("mixed"));
    Engine compiled = Engine.compiled(metered);
    Engine interpreted = Engine.interpreted(metered);
    long need = Modules.run(compiled, ARGS, INPUTS, Modules.ROOMY).gas();
    for (int k = 0; k < 10; k++) {
      long limit = random.nextLong(need);
      assertThat(Modules.run(interpreted, ARGS, INPUTS, gas(limit)))
          .as("seed %d, gas limit %d", seed, limit)
          .isEqualTo(Modules.run(compiled, ARGS, INPUTS, gas(limit)));
    }
  }

  private static Profile.Metered prepare(byte[] wasm) {
    try {
      return Profile.prepare(wasm);
    } catch (Refused e) {
      throw new AssertionError(e.getMessage(), e);
    }
  }

  @Test
  void aTrapAccountsForWhatWasSpentBefore() {
    long gas = same(Modules.wasm("trap_late"), Modules.ROOMY).gas();
    long whole = 1_000_000L * 8; // the loop's own instructions
    assertThat(gas).isBetween(whole - GasSchedule.SLICE, whole + 10_000);
  }

  @Test
  void aFunctionTooLargeForTheJvmCostsTheSame() {
    byte[] wasm = Modules.straight(12_000);
    Modules.Seen seen = same(wasm, Modules.ROOMY);
    assertThat(seen.kind()).isNull();
    assertThat(seen.gas()).isEqualTo(1_000 + 4_096 + 100 + 2 + 4L * 12_000 + 1);
    assertThat(same(wasm, gas(20_000)).kind()).isEqualTo(Verdict.Kind.OUT_OF_GAS);
  }

  @Test
  void nansHaveOneForm() {
    String out = same(Modules.wasm("nan"), Modules.ROOMY).outputs().getFirst();
    for (int at = 0; at < 24; at += 4) {
      assertThat(out.substring(2 * at, 2 * at + 8)).as("f32 at %d", at).isEqualTo("0000c07f");
    }
    for (int at = 24; at < 64; at += 8) {
      assertThat(out.substring(2 * at, 2 * at + 16))
          .as("f64 at %d", at)
          .isEqualTo("000000000000f87f");
    }
    String exact = out.substring(128);
    assertThat(exact)
        .isEqualTo(
            "0100a0ff" // neg flips the sign only
                + "0100a07f"
                + "0100a0ff"
                + "000080bf"
                + "010000000000f0ff"
                + "010000000000f07f"
                + "010000000000f0ff"
                + "000000000000f0bf"
                + "0100a0ff00000000"
                + "010000000000f4ff"
                + "0100a0ff"
                + "0100a0ff");
  }

  @Test
  void memoryIsCappedWhereTheLimitSays() {
    RunLimits tenPages = new RunLimits(1L << 30, 10L * 65_536 + 100, 0, 60_000);
    Modules.Seen seen = same(Modules.wasm("grow"), tenPages);
    assertThat(seen.kind()).isEqualTo(Verdict.Kind.MEMORY_LIMIT);
    assertThat(seen.peakBytes()).isEqualTo(10L * 65_536);
    assertThat(same(Modules.wasm("big"), tenPages).kind()).isEqualTo(Verdict.Kind.MEMORY_LIMIT);
    assertThat(same(Modules.wasm("mixed"), Modules.ROOMY).peakBytes())
        .as("its own maximum")
        .isEqualTo(3L * 65_536);
  }

  @Test
  void wordsAreCounted() {
    String hex = same(Modules.exampleBytes("wordcount"), Modules.ROOMY).outputs().getFirst();
    String text = new String(java.util.HexFormat.of().parseHex(hex), StandardCharsets.US_ASCII);
    assertThat(text).isEqualTo("and 2\ncat 1\ndog 1\nend 1\nthe 3\n");
  }

  @Test
  void echoGivesBackWhatItGot() {
    Modules.Seen seen = same(Modules.wasm("echo"), Modules.ROOMY);
    String all =
        new String(ARGS, StandardCharsets.US_ASCII)
            + new String(INPUTS.getFirst(), StandardCharsets.US_ASCII)
            + "\0".repeat(1000);
    assertThat(seen.outputs().getFirst())
        .isEqualTo(java.util.HexFormat.of().formatHex(all.getBytes(StandardCharsets.US_ASCII)));
    assertThat(seen.log()).isEqualTo("hi\n");
  }

  @Test
  void aBrakeEndsALoopOfSteps() {
    RunLimits briefly = new RunLimits(1L << 50, 64L << 20, 0, 50);
    assertThat(Modules.run(Modules.wasm("forever"), true, ARGS, INPUTS, briefly).kind())
        .isEqualTo(Verdict.Kind.TIME_LIMIT);
  }
}
