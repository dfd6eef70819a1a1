package dev.perseid.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The command lines that start a child, inside bubblewrap or not. Inside, the child sees: the
/// system's libraries, the JDK at `/jdk`, its own class files under `/cp`, its inputs at `/in` (all
/// read only), and its outputs at `/out`. Nothing else of the file system, no network, no other
/// process; and of the kernel's calls those of [SystemCalls].
final class Bubblewrap {
  private static final Path INPUTS = Path.of("/in");
  private static final Path OUTPUTS = Path.of("/out");

  /// Name spaces, rights and an environment of its own, and an end with whoever started it.
  static final List<String> APART =
      List.of(
          "--unshare-all",
          "--unshare-user",
          "--disable-userns",
          "--die-with-parent",
          "--new-session",
          "--clearenv",
          "--cap-drop",
          "ALL",
          "--uid",
          "65534",
          "--gid",
          "65534",
          "--hostname",
          "sandbox");

  /// The program, and a file with the filter of system calls for it.
  private record Kept(Path program, Path filter) {}

  private final Optional<Kept> kept;
  private final Path javaHome;
  private final List<Path> classPath;

  private Bubblewrap(Optional<Kept> kept, Path javaHome, List<Path> classPath) {
    this.kept = kept;
    this.javaHome = javaHome;
    this.classPath = classPath;
  }

  /// @param filter a file with what [SystemCalls#filter] gave
  static Bubblewrap with(Path program, Path filter, Path javaHome, List<Path> classPath) {
    return new Bubblewrap(Optional.of(new Kept(program, filter)), javaHome, classPath);
  }

  static Bubblewrap without(Path javaHome, List<Path> classPath) {
    return new Bubblewrap(Optional.empty(), javaHome, classPath);
  }

  /// The beginning of a command, up to bubblewrap's own words: a shell opens what bubblewrap has to
  /// find open, and becomes it.
  ///
  /// @param filter see [#with]
  /// @param more what else the shell opens, in its words
  static List<String> start(Path program, Path filter, String more) {
    return List.of(
        "/bin/sh",
        "-c",
        "exec 4<\"$0\" " + more + "; exec \"$@\"",
        filter.toString(),
        program.toString(),
        "--seccomp",
        "4");
  }

  /// The bubblewrap program on this machine's PATH.
  static Optional<Path> installed() {
    String path = System.getenv("PATH");
    for (String folder : (path == null ? "/usr/bin:/bin" : path).split(":", -1)) {
      if (!folder.isEmpty()) {
        Path candidate = Path.of(folder, "bwrap");
        if (Files.isExecutable(candidate)) {
          return Optional.of(candidate);
        }
      }
    }
    return Optional.empty();
  }

  boolean isolates() {
    return kept.isPresent();
  }

  /// How the child sees its input folder.
  Path seenInputs(Path in) {
    return isolates() ? INPUTS : in;
  }

  /// How the child sees its output folder.
  Path seenOutputs(Path out) {
    return isolates() ? OUTPUTS : out;
  }

  /// The whole command: a JVM with these flags that runs a main class of this module.
  List<String> command(
      Path in,
      Path out,
      Optional<Path> aotCache,
      List<String> jvmFlags,
      Class<?> main,
      List<String> args) {
    List<String> command = new ArrayList<>();
    List<String> seenClassPath = new ArrayList<>();
    Path java = javaHome.resolve("bin/java");
    Optional<Path> seenAotCache = aotCache;
    if (kept.isPresent()) {
      command.addAll(start(kept.get().program(), kept.get().filter(), ""));
      command.addAll(APART);
      for (String system : List.of("/lib", "/lib32", "/lib64", "/libx32")) {
        Path path = Path.of(system);
        if (Files.isSymbolicLink(path)) {
          add(command, "--symlink", target(path), system);
        } else if (Files.isDirectory(path)) {
          add(command, "--ro-bind", system, system);
        }
      }
      for (String system : List.of("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32")) {
        if (Files.isDirectory(Path.of(system), LinkOption.NOFOLLOW_LINKS)) {
          add(command, "--ro-bind", system, system);
        }
      }
      add(command, "--ro-bind", javaHome.toString(), "/jdk");
      java = Path.of("/jdk/bin/java");
      for (Path elsewhere : jdkFoldersElsewhere()) {
        add(command, "--ro-bind", elsewhere.toString(), elsewhere.toString());
      }
      for (int k = 0; k < classPath.size(); k++) {
        String seen = "/cp/" + k + (Files.isDirectory(classPath.get(k)) ? "" : ".jar");
        add(command, "--ro-bind", classPath.get(k).toString(), seen);
        seenClassPath.add(seen);
      }
      if (aotCache.isPresent()) {
        add(command, "--ro-bind", aotCache.get().toString(), "/aot");
        seenAotCache = Optional.of(Path.of("/aot"));
      }
      add(command, "--ro-bind", in.toString(), INPUTS.toString());
      add(command, "--bind", out.toString(), OUTPUTS.toString());
      add(command, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev", "--remount-ro", "/");
      add(command, "--chdir", "/", "--");
    } else {
      classPath.forEach(p -> seenClassPath.add(p.toString()));
    }
    command.add(java.toString());
    command.addAll(jvmFlags);
    seenAotCache.ifPresent(p ->
        add(command, "-XX:AOTCache=" + p, "-XX:AOTMode=auto", "-Xlog:aot=off", "-Xlog:cds=off"));
    add(
        command,
        "-Djava.io.tmpdir=" + seenOutputs(out),
        "-cp",
        String.join(":", seenClassPath),
        main.getName());
    command.addAll(args);
    return command;
  }

  /// Parts of the JDK that are links to other places, as distributions do with its configuration.
  private Set<Path> jdkFoldersElsewhere() {
    Set<Path> found = new LinkedHashSet<>();
    try {
      Path home = javaHome.toRealPath();
      for (String part :
          List.of(
              "conf/security/java.security",
              "conf/net.properties",
              "lib/jvm.cfg",
              "lib/tzdb.dat")) {
        Path path = javaHome.resolve(part);
        if (Files.exists(path)) {
          Path real = path.toRealPath();
          if (!real.startsWith(home) && !real.startsWith("/usr/lib") && real.getNameCount() > 2) {
            found.add(Path.of("/").resolve(real.subpath(0, 2)));
          }
        }
      }
    } catch (IOException e) {
      return found; // the child will say what it misses
    }
    return found;
  }

  private static String target(Path link) {
    try {
      return Files.readSymbolicLink(link).toString();
    } catch (IOException e) {
      return "usr" + link;
    }
  }

  private static void add(List<String> to, String... more) {
    to.addAll(List.of(more));
  }
}
