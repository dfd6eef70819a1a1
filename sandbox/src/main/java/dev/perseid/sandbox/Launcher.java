package dev.perseid.sandbox;

import dev.perseid.core.Platform;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URISyntaxException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.CodeSource;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Starts children: finds the class path, tests the isolation once, makes the start-up cache.
final class Launcher implements EngineChild.Starter {
  private final SandboxConfig config;
  private final Bubblewrap bubblewrap;
  private final Isolation isolation;

  private Launcher(SandboxConfig config, Bubblewrap bubblewrap, Isolation isolation) {
    this.config = config;
    this.bubblewrap = bubblewrap;
    this.isolation = isolation;
  }

  /// Tests what isolation works here by starting a probe in it. Takes the time of one JVM start.
  static Launcher probe(SandboxConfig config) throws IOException {
    List<Path> classPath = classPath();
    Bubblewrap plain = Bubblewrap.without(config.javaHome(), classPath);
    Optional<Path> program = Bubblewrap.installed();
    if (program.isEmpty()) {
      return new Launcher(
          config, plain, none("bubblewrap is not installed (Debian: apt-get install bubblewrap)"));
    }
    Optional<Platform> platform = Natives.platform();
    if (platform.isEmpty()) {
      return new Launcher(config, plain, none(SystemCalls.ELSEWHERE));
    }
    Path filter =
        Files.write(config.directory().resolve("filter"), SystemCalls.filter(platform.get()));
    Bubblewrap wrapped = Bubblewrap.with(program.get(), filter, config.javaHome(), classPath);
    String found = tryOut(config, wrapped);
    return found.equals(IsolationProbe.ISOLATED)
        ? new Launcher(
            config,
            wrapped,
            new Isolation(
                Isolation.Kind.BUBBLEWRAP,
                "bubblewrap, tested: no network, no foreign files or processes, nothing writable but its outputs, system calls filtered"))
        : new Launcher(config, plain, none("bubblewrap does not isolate here: " + found));
  }

  private static Isolation none(String why) {
    return new Isolation(
        Isolation.Kind.NONE, why + "; tasks are held by WebAssembly and a child process only");
  }

  Isolation isolation() {
    return isolation;
  }

  @Override
  public boolean isolates() {
    return bubblewrap.isolates();
  }

  /// The jars or folders that a child needs: this module, the engine and its class writer. Nothing
  /// else of the node.
  private static List<Path> classPath() {
    Set<Path> found = new LinkedHashSet<>();
    for (String name :
        List.of(
            "dev.perseid.sandbox.EngineMain",
            "dev.perseid.core.Hash",
            "run.endive.wasm.Parser",
            "run.endive.runtime.Instance",
            "run.endive.compiler.MachineFactoryCompiler",
            "org.objectweb.asm.ClassWriter",
            "org.objectweb.asm.commons.InstructionAdapter",
            "org.objectweb.asm.util.CheckClassAdapter",
            "org.objectweb.asm.tree.ClassNode",
            "org.objectweb.asm.tree.analysis.Analyzer")) {
      try {
        CodeSource source =
            Class.forName(name, false, Launcher.class.getClassLoader())
                .getProtectionDomain()
                .getCodeSource();
        found.add(Path.of(source.getLocation().toURI()));
      } catch (ClassNotFoundException | URISyntaxException e) {
        throw new IllegalStateException(
            "the engine's class " + name + " is not on the class path", e);
      }
    }
    return List.copyOf(found);
  }

  private static String tryOut(SandboxConfig config, Bubblewrap wrapped) throws IOException {
    Path folder = Files.createTempDirectory(config.directory(), "probe");
    Path in = Files.createDirectory(folder.resolve("in"));
    Path out = Files.createDirectory(folder.resolve("out"));
    Path witness = Files.writeString(folder.resolve("witness"), "x");
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      List<String> args = new ArrayList<>();
      args.add(wrapped.seenInputs(in).toString());
      args.add(wrapped.seenOutputs(out).toString());
      args.add(Integer.toString(listener.getLocalPort()));
      args.addAll(
          List.of(
              "/etc/passwd",
              "/etc/hosts",
              "/etc/ssl",
              "/home",
              "/root",
              "/var",
              "/tmp",
              "/usr/bin",
              "/bin",
              System.getProperty("user.home")));
      args.add(witness.toString());
      Spoken spoken =
          runToEnd(
              wrapped.command(
                  in,
                  out,
                  Optional.empty(),
                  List.of(
                      "-Xmx32m",
                      "-XX:+UseSerialGC",
                      "-XX:TieredStopAtLevel=1",
                      "--enable-native-access=ALL-UNNAMED"),
                  IsolationProbe.class,
                  args),
              Limits.PROBE_MS);
      return spoken.code() == 0
          ? spoken.text().strip()
          : "it ended with " + spoken.code() + ": " + spoken.text().strip();
    } finally {
      Folders.delete(folder);
    }
  }

  private record Spoken(int code, String text) {}

  /// Runs a command, and gives what it said on both streams, at most a few KiB.
  private static Spoken runToEnd(List<String> command, long limitMs) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().clear();
    Process process = builder.start();
    try {
      process.getOutputStream().close();
      CompletableFuture<byte[]> said =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  byte[] text = process.getInputStream().readNBytes(Limits.STDERR_BYTES);
                  process.getInputStream().transferTo(java.io.OutputStream.nullOutputStream());
                  return text;
                } catch (IOException e) {
                  return new byte[0];
                }
              },
              task -> Thread.ofPlatform().daemon().start(task));
      if (!process.waitFor(limitMs, TimeUnit.MILLISECONDS)) {
        return new Spoken(-1, "it did not end within " + limitMs + " ms");
      }
      return new Spoken(
          process.exitValue(),
          new String(said.get(limitMs, TimeUnit.MILLISECONDS), StandardCharsets.UTF_8));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return new Spoken(-1, "interrupted");
    } catch (ExecutionException | TimeoutException e) {
      return new Spoken(-1, "it could not be read");
    } finally {
      var _ = process.destroyForcibly();
    }
  }

  /// Starts an engine. The calling thread must live as long as the child: bubblewrap dies with it.
  @Override
  public Process start(Path in, Path out) throws IOException {
    List<String> args =
        List.of(
            Integer.toString(config.slots()),
            bubblewrap.seenInputs(in).toString(),
            bubblewrap.seenOutputs(out).toString());
    Optional<Path> cache = cacheFile().filter(Files::isRegularFile);
    ProcessBuilder builder =
        new ProcessBuilder(bubblewrap.command(in, out, cache, flags(), EngineMain.class, args));
    builder.environment().clear();
    return builder.start();
  }

  private List<String> flags() {
    long heap = config.slots() * config.memoryBytes() + Limits.HEAP_BASE_BYTES;
    return List.of(
        "-XX:-DontCompileHugeMethods", // else HotSpot never compiles methods over 8,000 bytes of
        // bytecode
        "-XX:+UseSerialGC",
        "-Xms96m",
        "-Xmn64m",
        "-Xmx" + (heap >> 20) + "m",
        "-XX:MaxMetaspaceSize=512m",
        "-XX:ReservedCodeCacheSize=128m",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-XX:+DisableAttachMechanism",
        "-XX:-CreateCoredumpOnCrash",
        "-XX:ErrorFile=/dev/null");
  }

  /// Where the start-up cache of exactly this JDK, these class files and these flags belongs.
  Optional<Path> cacheFile() {
    if (config.aotCache().isEmpty()) {
      return Optional.empty();
    }
    StringBuilder id = new StringBuilder();
    id.append(config.javaHome()).append(isolates()).append(flags());
    try {
      id.append(Files.getLastModifiedTime(config.javaHome().resolve("lib/modules")));
      for (Path p : classPath()) {
        if (Files.isDirectory(p)) {
          return Optional.empty(); // the JVM makes such caches for jars only
        }
        id.append(p).append(Files.size(p)).append(Files.getLastModifiedTime(p));
      }
      byte[] hash =
          MessageDigest.getInstance("SHA-256")
              .digest(id.toString().getBytes(StandardCharsets.UTF_8));
      String name = "engine-" + HexFormat.of().formatHex(hash, 0, 8) + ".aot";
      return Optional.of(config.aotCache().get().resolve(name));
    } catch (IOException e) {
      return Optional.empty();
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /// Makes the start-up cache unless it is there or another process is at it. False when there is
  /// none afterwards; children then start without, only slower.
  boolean makeCache() {
    Optional<Path> wanted = cacheFile();
    if (wanted.isEmpty()) {
      return false;
    }
    Path target = wanted.get();
    if (Files.isRegularFile(target)) {
      return true;
    }
    Path folder = config.directory().resolve("training");
    try {
      Files.createDirectories(config.aotCache().orElseThrow());
      try (FileChannel channel =
              FileChannel.open(
                  target.resolveSibling("lock"),
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE);
          FileLock lock = channel.tryLock()) {
        if (lock == null) {
          return false;
        }
        Path in = Files.createDirectories(folder.resolve("in"));
        Path out = Files.createDirectories(folder.resolve("out"));
        List<String> flags = new ArrayList<>(flags());
        flags.add("-XX:AOTCacheOutput=" + bubblewrap.seenOutputs(out).resolve("engine.aot"));
        flags.add("-Xlog:disable");
        Spoken spoken =
            runToEnd(
                bubblewrap.command(
                    in, out, Optional.empty(), flags, EngineTraining.class, List.of()),
                Limits.AOT_TRAINING_MS);
        Path made = out.resolve("engine.aot");
        if (spoken.code() != 0 || !Files.isRegularFile(made)) {
          return false;
        }
        Path near = target.resolveSibling(target.getFileName() + ".new");
        Files.copy(made, near, StandardCopyOption.REPLACE_EXISTING);
        Files.move(near, target, StandardCopyOption.ATOMIC_MOVE);
        return true;
      }
    } catch (IOException | OverlappingFileLockException e) {
      return false;
    } finally {
      Folders.delete(folder);
    }
  }
}
