package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What the sandbox does with a child that lies.
class UntrustedChildTest {
  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(LyingEngine.Lie.class)
  void aLieIsNotBelieved(LyingEngine.Lie lie) throws Exception {
    Path secret = Files.write(folder.resolve("secret"), new byte[5_000]);
    EngineChild.Starter starter =
        new EngineChild.Starter() {
          @Override
          public Process start(Path in, Path out) throws IOException {
            return new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-cp",
                    System.getProperty("java.class.path"),
                    LyingEngine.class.getName(),
                    lie.name(),
                    out.toString(),
                    secret.toString())
                .start();
          }

          @Override
          public boolean isolates() {
            return false;
          }
        };
    byte[] wasm = Modules.wasm("exit7");
    Path module = Files.write(folder.resolve("m.wasm"), wasm);
    byte[] hash = MessageDigest.getInstance("SHA-256").digest(wasm);
    Portable task =
        new Portable(
            1,
            "a",
            module,
            hash,
            new byte[0],
            List.of(),
            1,
            new RunLimits(1_000, 1 << 20, 100_000, 60_000));
    try (Sandbox sandbox =
        Sandbox.with(
            SandboxConfig.in(folder.resolve("s")),
            starter,
            new Isolation(Isolation.Kind.NONE, "a test"))) {
      Execution e = sandbox.run(task).get(60, TimeUnit.SECONDS);
      if (lie == LyingEngine.Lie.SECOND_ANSWER) {
        assertThat(e.verdict()).as("the first of two answers").isEqualTo(new Verdict.Done());
      } else {
        assertThat(e.verdict())
            .isInstanceOfSatisfying(
                Verdict.Failed.class,
                f ->
                    assertThat(f.kind())
                        .isEqualTo(
                            lie == LyingEngine.Lie.NO_GREETING
                                ? Verdict.Kind.NOT_STARTED
                                : Verdict.Kind.ENGINE_DIED));
        assertThat(e.outputs()).isEmpty();
      }
    }
  }

  @Test
  void noFrameOfNoiseIsAnythingButAFrameOrGarbage() throws IOException {
    long seed = 99;
    Random random = new Random(seed);
    ByteSink sink = new ByteSink();
    Frames.write(
        sink,
        new Frames.Result(
            7,
            Verdict.Kind.TRAP,
            "why",
            1,
            2,
            3,
            4,
            new byte[5],
            List.of(new Frames.Part(9, null))));
    ByteArrayOutputStream good = new ByteArrayOutputStream();
    sink.drainTo(good);
    int frames = 0;
    for (int k = 0; k < 20_000; k++) {
      byte[] bytes = good.toByteArray();
      bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      try {
        if (Frames.read(new DataInputStream(new ByteArrayInputStream(bytes))) != null) {
          frames++;
        }
      } catch (Frames.Garbage e) {
        assertThat(e.getMessage()).as("seed %d", seed).isNotBlank();
      }
    }
    assertThat(frames).as("seed %d: some stay frames", seed).isBetween(1, 19_999);
  }
}
