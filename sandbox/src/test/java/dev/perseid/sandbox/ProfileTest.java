package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProfileTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "evil_gas | there is no global 1",
        "evil_local | there is no local 0",
        "ill_typed | not valid WebAssembly",
        "import_wasi | \"wasi_snapshot_preview1.fd_write\" is not allowed",
        "import_clock | \"perseid.clock\" is not allowed",
        "import_memory | is not allowed",
        "import_signature | it must be (i32) -> (i64)",
        "no_memory | export it as \"memory\"",
        "no_step | must export a function \"step\"",
        "step_signature | it must be the module's own function () -> (i32)",
        "start | a start function is not in profile 1",
        "simd | not in profile 1",
        "multi_value | results of type",
        "threads | shared",
        "tail_call | instruction 0x12",
        "memory64 | 64-bit memory",
        "passive_data | only active segments",
        "table_set | not in profile 1",
      })
  void refusesWithTheReason(String module, String reason) {
    assertThat(Profile.refusal(Modules.wasm(module))).get().asString().contains(reason);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mixed", "nan", "echo", "spin", "collide", "data_outside", "grow"})
  void acceptsWhatIsWithinTheProfile(String module) {
    assertThat(Profile.refusal(Modules.wasm(module))).isEmpty();
  }

  @Test
  void refusesWhatIsNoModule() {
    assertThat(Profile.refusal(new byte[0])).isPresent();
    assertThat(Profile.refusal("#!/bin/sh".getBytes(java.nio.charset.StandardCharsets.US_ASCII)))
        .isPresent();
    assertThat(Profile.refusal(new byte[Limits.MODULE_BYTES + 1]))
        .get()
        .asString()
        .contains("limit");
  }

  @Test
  void everyTruncationIsRefused() {
    byte[] wasm = Modules.wasm("mixed");
    for (int n = 0; n < wasm.length; n++) {
      assertThat(Profile.refusal(Arrays.copyOf(wasm, n))).as("cut to %d bytes", n).isPresent();
    }
  }

  @Test
  void limitsOnCodeHold() {
    assertThat(Profile.refusal(Modules.straight(70_000)))
        .get()
        .asString()
        .contains("over the limit");
    WasmBytes locals =
        new WasmBytes(16).u(1).u(3_000).op(Opcode.I64).op(Opcode.I32_CONST).s(1).op(Opcode.END);
    assertThat(Profile.refusal(Modules.module(locals))).get().asString().contains("3000 locals");
    WasmBytes nested = new WasmBytes(4_096).u(0);
    for (int k = 0; k < 300; k++) {
      nested.op(Opcode.BLOCK, Opcode.VOID);
    }
    for (int k = 0; k < 300; k++) {
      nested.op(Opcode.END);
    }
    nested.op(Opcode.I32_CONST).s(1).op(Opcode.END);
    assertThat(Profile.refusal(Modules.module(nested))).get().asString().contains("nested deeper");
    WasmBytes operands = new WasmBytes(8_192).u(0);
    for (int k = 0; k < 1_500; k++) {
      operands.op(Opcode.I32_CONST).s(1);
    }
    for (int k = 0; k < 1_499; k++) {
      operands.op(0x6a);
    }
    operands.op(Opcode.END);
    assertThat(Profile.refusal(Modules.module(operands))).get().asString().contains("operands");
  }

  @Test
  void anOverlongOrOverfullNumberIsRefused() {
    WasmBytes overfull =
        new WasmBytes(16).u(0).op(Opcode.I32_CONST, 0x80, 0x80, 0x80, 0x80, 0x70, Opcode.END);
    assertThat(Profile.refusal(Modules.module(overfull)))
        .get()
        .asString()
        .contains("longer than 32 bits");
    WasmBytes negative =
        new WasmBytes(16).u(0).op(Opcode.I32_CONST, 0xff, 0xff, 0xff, 0xff, 0x7f, Opcode.END);
    assertThat(Profile.refusal(Modules.module(negative))).isEmpty();
    WasmBytes overlong =
        new WasmBytes(16).u(0).op(Opcode.I32_CONST, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, Opcode.END);
    assertThat(Profile.refusal(Modules.module(overlong)))
        .get()
        .asString()
        .contains("longer than 32 bits");
  }

  /// Valid modules with some bytes changed: refused with a reason, or run within their limits with
  /// the same end and gas on the compiler and the interpreter.
  @Test
  void damagedModulesAreRefusedOrRunWithinTheirLimits() {
    long seed = 20_261_123;
    Random random = new Random(seed);
    List<byte[]> seeds = new ArrayList<>();
    for (String name : List.of("mixed", "nan", "echo", "recurse", "grow", "fill")) {
      seeds.add(Modules.wasm(name));
    }
    seeds.add(Modules.exampleBytes("burn"));
    RunLimits limits = new RunLimits(300_000, 20L * 65_536, 10_000, 20_000);
    int ran = 0;
    for (int k = 0; k < 1_500; k++) {
      byte[] wasm = seeds.get(random.nextInt(seeds.size())).clone();
      for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
        wasm[8 + random.nextInt(wasm.length - 8)] = (byte) random.nextInt(256);
      }
      Optional<String> refusal = Profile.refusal(wasm);
      if (refusal.isEmpty()) {
        ran++;
        byte[] args = {'9', ' ', '9'};
        Modules.Seen compiled = Modules.run(wasm, true, args, List.of(new byte[100]), limits);
        Modules.Seen interpreted = Modules.run(wasm, false, args, List.of(new byte[100]), limits);
        assertThat(interpreted).as("seed %d, module %d", seed, k).isEqualTo(compiled);
        assertThat(compiled.gas()).isBetween(0L, limits.gas());
        assertThat(compiled.peakBytes()).isBetween(0L, limits.memoryBytes());
      } else {
        assertThat(refusal.get()).as("seed %d, module %d", seed, k).isNotBlank();
      }
    }
    assertThat(ran).as("seed %d: some must run, else this tests nothing", seed).isGreaterThan(50);
  }
}
