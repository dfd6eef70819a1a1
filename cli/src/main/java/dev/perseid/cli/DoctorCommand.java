package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/// `perseid doctor`.
@Command(
    name = "doctor",
    description = "Check this machine: what is missing, what is lost without it, what to do.")
final class DoctorCommand implements Callable<Integer> {
  private static final int LEAST_JDK = 25;
  private static final long LEAST_DISK_BYTES = 2L << 30;
  private static final int CONNECT_MS = 2_000;

  enum State {
    /// As it should be.
    ok,
    /// It works, but something is lost.
    lost,
    /// It will not work.
    wrong
  }

  /// One finding.
  record Finding(String what, State state, String text) {}

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Override
  public Integer call() throws InterruptedException {
    Home home = main.home();
    List<Finding> findings = new ArrayList<>();
    findings.add(jdk(Runtime.version().feature()));
    findings.add(cores());
    findings.add(bubblewrap());
    findings.add(disk(home.folder()));
    findings.add(keys(home.folder().resolve("keys")));
    findings.add(port());
    findings.add(pool(home));
    boolean wrong = findings.stream().anyMatch(f -> f.state == State.wrong);
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Finding finding : findings) {
              json.writeStartObject();
              json.writeStringField("what", finding.what);
              json.writeStringField("state", finding.state.name());
              json.writeStringField("text", finding.text);
              json.writeEndObject();
            }
            json.writeEndArray();
          });
    } else {
      Table table = new Table("what", "state", "");
      for (Finding finding : findings) {
        table.row(finding.what, finding.state, finding.text);
      }
      main.screen().say(table.lines());
    }
    return wrong ? Exit.FAILED : Exit.OK;
  }

  static Finding jdk(int version) {
    return version >= LEAST_JDK
        ? new Finding("JDK", State.ok, "version " + Runtime.version())
        : new Finding(
            "JDK", State.wrong, "version " + version + "; install JDK " + LEAST_JDK + " or newer");
  }

  private static Finding cores() {
    Runtime here = Runtime.getRuntime();
    return new Finding(
        "processors",
        State.ok,
        here.availableProcessors() + ", heap up to " + Amounts.bytes(here.maxMemory()));
  }

  /// Whether bubblewrap works, not only whether it is there: some containers forbid it.
  private static Finding bubblewrap() throws InterruptedException {
    String lost = "tasks are held by WebAssembly alone, and `perseid provider` refuses to run them";
    try {
      Process probe =
          new ProcessBuilder(
                  "bwrap", "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true")
              .redirectErrorStream(true)
              .start();
      probe.getOutputStream().close();
      String said = new String(probe.getInputStream().readNBytes(500), StandardCharsets.UTF_8);
      if (!probe.waitFor(10, TimeUnit.SECONDS)) {
        probe.destroyForcibly();
        return new Finding("bubblewrap", State.lost, "it hangs here; " + lost);
      }
      return probe.exitValue() == 0
          ? new Finding("bubblewrap", State.ok, "works")
          : new Finding(
              "bubblewrap", State.lost, "does not work here (" + said.strip() + "); " + lost);
    } catch (IOException e) {
      return new Finding(
          "bubblewrap", State.lost, "missing: apt-get install bubblewrap; without it " + lost);
    }
  }

  static Finding disk(Path folder) {
    Path there = folder.toAbsolutePath();
    while (there != null && !Files.exists(there)) {
      there = there.getParent();
    }
    if (there == null) {
      return new Finding("disk", State.wrong, folder + " has no parent that exists");
    }
    if (!Files.isWritable(there)) {
      return new Finding(
          "disk", State.wrong, there + " cannot be written; set PERSEID_HOME to a folder of yours");
    }
    try {
      FileStore store = Files.getFileStore(there);
      long free = store.getUsableSpace();
      String text = Amounts.bytes(free) + " free for " + folder;
      return free >= LEAST_DISK_BYTES
          ? new Finding("disk", State.ok, text)
          : new Finding(
              "disk",
              State.lost,
              text + "; a pool or provider needs more: free some, or set PERSEID_HOME");
    } catch (IOException e) {
      return new Finding("disk", State.wrong, there + ": " + e.getMessage());
    }
  }

  /// Whether nobody but their owner can read the keys.
  static Finding keys(Path folder) {
    if (!Files.isDirectory(folder)) {
      return new Finding("keys", State.ok, "none yet; they are made when first needed");
    }
    List<Path> open = new ArrayList<>();
    int files = 0;
    try (Stream<Path> all = Files.walk(folder, 3)) {
      for (Path file : all.filter(Files::isRegularFile).sorted().toList()) {
        files++;
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
        for (PosixFilePermission permission : permissions) {
          if (!permission.name().startsWith("OWNER")) {
            open.add(file);
            break;
          }
        }
      }
    } catch (UnsupportedOperationException e) {
      return new Finding("keys", State.lost, "this file system knows no permissions");
    } catch (IOException e) {
      return new Finding("keys", State.wrong, folder + ": " + e.getMessage());
    }
    return open.isEmpty()
        ? new Finding("keys", State.ok, files + " files in " + folder + ", readable by you only")
        : new Finding(
            "keys",
            State.wrong,
            open.getFirst() + " can be read by others; run: chmod -R go= " + folder);
  }

  private static Finding port() {
    String what = "port " + Serving.USUAL_PORT;
    try (ServerSocket socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), Serving.USUAL_PORT));
      return new Finding(what, State.ok, "free");
    } catch (IOException e) {
      return new Finding(
          what, State.lost, "in use; a pool that runs here explains it, else write --port 0");
    }
  }

  private static Finding pool(Home home) {
    PoolClient.Target target;
    try {
      target = home.pool(Optional.empty());
    } catch (BadInput e) {
      return new Finding("pool", State.ok, "none set");
    }
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(target.host(), target.port()), CONNECT_MS);
      return new Finding("pool", State.ok, target + " answers");
    } catch (IOException e) {
      return new Finding(
          "pool", State.lost, target + " does not answer (" + e.getMessage() + "); is it running?");
    }
  }
}
