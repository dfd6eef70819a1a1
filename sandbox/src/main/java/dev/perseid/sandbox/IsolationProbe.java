package dev.perseid.sandbox;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Runs in place of the engine, started in the same way, and tries what a task must not be able to
/// do. Prints [#ISOLATED], or what it could do.
///
/// Arguments: INPUT_FOLDER OUTPUT_FOLDER PORT (a listener on this machine's loopback) then files
/// and folders that exist outside.
final class IsolationProbe {
  private IsolationProbe() {}

  static final String ISOLATED = "isolated";

  public static void main(String[] args) {
    List<String> leaks = new ArrayList<>();
    Path in = Path.of(args[0]);
    Path out = Path.of(args[1]);
    if (writes(in.resolve("probe"))) {
      leaks.add("can write its inputs");
    }
    if (!writes(out.resolve("probe"))) {
      leaks.add("cannot write its outputs");
    }
    for (Path p :
        List.of(
            Path.of("/probe"),
            Path.of("/dev/probe"),
            Path.of("/dev/shm/probe"),
            Path.of("/jdk/probe"))) {
      if (writes(p)) {
        leaks.add("can write " + p);
      }
    }
    try (Socket socket = new Socket()) {
      socket.connect(
          new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(args[2])),
          1_000);
      leaks.add("can reach the network");
    } catch (IOException e) {
      // as it should be
    }
    for (int k = 3; k < args.length; k++) {
      if (Files.exists(Path.of(args[k]))) {
        leaks.add("can see " + args[k]);
      }
    }
    if (ProcessHandle.allProcesses().count() > 3) {
      leaks.add("can see other processes");
    }
    if (!System.getenv().keySet().stream().allMatch(k -> k.equals("PWD"))) {
      leaks.add("can see the environment");
    }
    if (!isFiltered()) {
      leaks.add("can make any system call");
    }
    System.out.println(leaks.isEmpty() ? ISOLATED : String.join("; ", leaks));
  }

  /// Asks for one that others than this sandbox seldom refuse: a nameless file in memory.
  private static boolean isFiltered() {
    Linker linker = Linker.nativeLinker();
    try (Arena arena = Arena.ofConfined()) {
      MethodHandle create =
          linker.downcallHandle(
              linker.defaultLookup().find("memfd_create").orElseThrow(),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
      return (int) create.invokeExact(arena.allocateFrom("probe"), 0) < 0;
    } catch (Throwable e) {
      throw new IllegalStateException("the C library has no memfd_create", e);
    }
  }

  private static boolean writes(Path file) {
    try {
      Files.writeString(file, "x");
      Files.delete(file);
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
