package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxTest {
  @TempDir Path folder;

  @Test
  void runsModules() throws Exception {
    try (Sandbox sandbox = Sandbox.open(SandboxConfig.in(folder.resolve("s")))) {
      System.out.println(sandbox.isolation());
      Path burn = Path.of("../examples/modules/burn.wasm");
      byte[] hash =
          java.security.MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(burn));
      for (int k = 0; k < 3; k++) {
        Execution e =
            sandbox
                .run(
                    new Portable(
                        k,
                        "me",
                        burn,
                        hash,
                        "3000000 100 100000".getBytes(StandardCharsets.UTF_8),
                        List.of(new Input.Inline(new byte[10])),
                        2,
                        new RunLimits(1L << 40, 64 << 20, 1 << 20, 10_000)))
                .get(20, TimeUnit.SECONDS);
        System.out.println(e);
        assertThat(e.verdict()).isEqualTo(new Verdict.Done());
      }
    }
  }
}
