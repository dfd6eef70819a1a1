package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// That a local chain comes and goes as it should, and that only what was pinned is run.
class LocalChainTest {
  @TempDir Path folder;

  /// Starts a chain, tells of its process, and waits.
  static final class Starter {
    public static void main(String[] args) throws Exception {
      LocalChain local = LocalChain.start(Lab.anvil(), LocalChain.Options.INSTANT);
      List<Long> all = ProcessHandle.current().descendants().map(ProcessHandle::pid).toList();
      System.out.println(local.chain().id() + " " + all);
      System.in.read(); // nothing comes
    }
  }

  @Test
  void itEndsWithTheProgramThatStartedItEvenIfThatIsKilled() throws Exception {
    Process starter =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Starter.class.getName())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    List<ProcessHandle> processes = new ArrayList<>();
    try (BufferedReader out = starter.inputReader(StandardCharsets.UTF_8)) {
      String[] line = out.readLine().replaceAll("[\\[\\],]", "").split(" ", -1);
      assertThat(line[0]).isEqualTo("31337");
      for (int i = 1; i < line.length; i++) {
        ProcessHandle.of(Long.parseLong(line[i])).ifPresent(processes::add);
      }
      assertThat(processes.size()).isGreaterThanOrEqualTo(2); // a shell and anvil
    } finally {
      starter.destroyForcibly(); // SIGKILL: no hook runs
    }
    for (ProcessHandle process : processes) {
      process.onExit().get(10, TimeUnit.SECONDS);
      assertThat(process.isAlive()).isFalse();
    }
  }

  @Test
  void itEndsWhenItIsClosedAndHoldsTheRulesOfOsaka() throws Exception {
    LocalChain local = LocalChain.start(Lab.anvil(), LocalChain.Options.INSTANT);
    try {
      assertThat(local.rpc().getHost()).isEqualTo("127.0.0.1");
      local.fund(Lab.key(1).address(), Lab.ETHER);
      // EIP-7825: one unit of gas more than a transaction may use.
      Transaction.Signed greedy =
          new Transaction(
                  31_337,
                  0,
                  Limits.TRANSACTION_GAS + 1,
                  new Transaction.Fee.Dynamic(Lab.GWEI.multiply(BigInteger.TWO), Lab.GWEI),
                  new Call("pay", Optional.of(Lab.key(2).address()), BigInteger.ONE, new byte[0]))
              .sign(Lab.key(1));
      assertThat(local.chain().send(greedy.bytes())).isInstanceOf(Chain.Sent.Refused.class);
    } finally {
      local.close();
    }
    local.join();
    assertThatThrownBy(() -> local.chain().head()).isInstanceOf(ChainException.class);
  }

  /// A program called npm that leaves out what needs a newer Node, as npm of Node 18 does, and
  /// installs it when it is asked for by name.
  private String npm(String integrity) throws IOException {
    Path bin = Files.createDirectories(folder.resolve("bin"));
    Path npm = bin.resolve("npm");
    Files.writeString(
        npm,
        """
        #!/bin/sh
        if [ "$1" = ci ]; then mkdir node_modules; exit 0; fi
        name="$(echo "$3" | sed 's/@[^@]*$//')"
        mkdir -p "node_modules/$name/bin"
        printf '#!/bin/sh\\n' > "node_modules/$name/bin/anvil"
        chmod +x "node_modules/$name/bin/anvil"
        printf '{"packages":{"node_modules/%%s":{"integrity":"%%s"}}}' "$name" '%s' \
          > node_modules/.package-lock.json
        """
            .formatted(integrity)
            .replace("%%", "%"));
    Files.setPosixFilePermissions(npm, PosixFilePermissions.fromString("rwxr-xr-x"));
    return bin + ":/usr/bin:/bin";
  }

  @Test
  void underAnOldNodeItIsAskedForByNameAndItsHashIsChecked() throws Exception {
    String pinned =
        new ObjectMapper()
            .readTree(Path.of("src/main/npm/package-lock.json").toFile())
            .path("packages")
            .path("node_modules/" + platformPackage())
            .path("integrity")
            .asText();
    assertThat(pinned).startsWith("sha512-");
    List<String> notices = new ArrayList<>();
    Anvil.Found wrong =
        Anvil.find(folder.resolve("wrong"), npm("sha512-of-something-else"), notices::add);
    assertThat(wrong)
        .isInstanceOfSatisfying(
            Anvil.Found.Missing.class,
            m -> assertThat(m.why()).contains("is not what package-lock.json names"));
    assertThat(notices.getFirst()).contains("fetching anvil");
    try (var left = Files.list(folder.resolve("wrong"))) {
      assertThat(left).isEmpty();
    }
    assertThat(Anvil.find(folder.resolve("right"), npm(pinned), notices::add))
        .isInstanceOf(Anvil.Found.Ready.class);
    // From then on npm is not needed.
    assertThat(Anvil.find(folder.resolve("right"), "", notices::add))
        .isInstanceOf(Anvil.Found.Ready.class);
  }

  private static String platformPackage() throws InterruptedException {
    // .../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
    Path program = Lab.anvil().program();
    return "@foundry-rs/" + program.getParent().getParent().getFileName();
  }

  @Test
  void withoutNpmItSaysWhatToInstall() throws Exception {
    assertThat(Anvil.find(folder.resolve("none"), folder.toString(), note -> {}))
        .isInstanceOfSatisfying(
            Anvil.Found.Missing.class, m -> assertThat(m.why()).contains("no 'npm' on the PATH"));
  }
}
