package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IsolationTest {
  @TempDir Path folder;

  @Test
  void isolationIsClaimedOnlyWhereTheProbeFoundIt() {
    try (Sandbox sandbox = Sandbox.open(SandboxConfig.in(folder.resolve("s")))) {
      Isolation isolation = sandbox.isolation();
      if (Bubblewrap.installed().isEmpty()) {
        assertThat(isolation.kind()).isEqualTo(Isolation.Kind.NONE);
        assertThat(isolation.reason()).contains("apt-get install bubblewrap");
      } else if (isolation.kind() == Isolation.Kind.NONE) {
        assertThat(isolation.reason()).contains("bubblewrap does not isolate here: ");
      } else {
        assertThat(isolation.reason()).contains("tested");
      }
      assertThat(isolation.reason()).doesNotContain("\n");
    }
  }

  /// The probe itself: without bubblewrap it must find what bubblewrap would have hidden.
  @Test
  void theProbeFindsWhatIsOpen() throws Exception {
    Path in = Files.createDirectory(folder.resolve("in"));
    Path out = Files.createDirectory(folder.resolve("out"));
    Path witness = Files.writeString(folder.resolve("witness"), "x");
    List<Path> classPath =
        List.of(
            Path.of(
                IsolationProbe.class.getProtectionDomain().getCodeSource().getLocation().toURI()));
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      List<String> command =
          Bubblewrap.without(Path.of(System.getProperty("java.home")), classPath)
              .command(
                  in,
                  out,
                  Optional.empty(),
                  List.of(),
                  IsolationProbe.class,
                  List.of(
                      in.toString(),
                      out.toString(),
                      Integer.toString(listener.getLocalPort()),
                      witness.toString()));
      Process probe = new ProcessBuilder(command).start();
      String said = new String(probe.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(probe.waitFor(20, TimeUnit.SECONDS)).isTrue();
      assertThat(said)
          .contains(
              "can write its inputs",
              "can reach the network",
              "can see " + witness,
              "can see other processes",
              "can make any system call");
    }
  }

  @Test
  void withoutIsolationNothingRunsWhereItIsRequired() throws Exception {
    EngineChild.Starter never =
        new EngineChild.Starter() {
          @Override
          public Process start(Path in, Path out) {
            throw new AssertionError("a child was started");
          }

          @Override
          public boolean isolates() {
            return false;
          }
        };
    Files.createDirectories(folder.resolve("r"));
    try (Sandbox sandbox =
        Sandbox.with(
            SandboxConfig.in(folder.resolve("r")).withDemand(SandboxConfig.Demand.REQUIRED),
            never,
            new Isolation(Isolation.Kind.NONE, "none here"))) {
      Portable task =
          new Portable(
              1,
              "a",
              folder.resolve("m"),
              new byte[32],
              new byte[0],
              List.of(),
              0,
              new RunLimits(1, 1, 1, 1));
      Execution e = sandbox.run(task).get(10, TimeUnit.SECONDS);
      assertThat(e.verdict())
          .isInstanceOfSatisfying(
              Verdict.Failed.class,
              f -> {
                assertThat(f.kind()).isEqualTo(Verdict.Kind.NOT_STARTED);
                assertThat(f.message()).contains("none here");
              });
    }
  }
}
