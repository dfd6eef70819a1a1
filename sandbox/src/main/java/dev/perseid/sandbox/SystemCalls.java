package dev.perseid.sandbox;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Platform;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;

/// Which system calls what runs inside bubblewrap may make: a filter for the kernel (seccomp,
/// classic BPF). What is not on the list answers `ENOSYS`, as on a kernel that is too old for it,
/// so that programs take another way if they have one. Not on it is what only administrators need,
/// what most attacks on kernels went through (`io_uring`, `bpf`, `userfaultfd`, keys, name spaces,
/// `perf`), and memory that nobody can count: nameless files in memory and System V's segments.
final class SystemCalls {
  /// Where there is no filter.
  static final String ELSEWHERE =
      "system calls can be filtered on Linux on x86_64 and aarch64 only";

  private static final String LIST = "system-calls.txt";

  // linux/filter.h, linux/seccomp.h
  private static final int LOAD = 0x20;
  private static final int IF_EQUAL = 0x15;
  private static final int IF_ABOVE = 0x25;
  private static final int IF_AT_LEAST = 0x35;
  private static final int IF_ANY_BIT = 0x45;
  private static final int RETURN = 0x06;
  private static final int ALLOW = 0x7fff_0000;
  private static final int KILL = 0x8000_0000;
  private static final int ERROR = 0x0005_0000;
  private static final int AT_NUMBER = 0;
  private static final int AT_ARCHITECTURE = 4;
  private static final int AT_ARGUMENTS = 16;

  // errno
  private static final int EPERM = 1;
  private static final int ENOSYS = 38;
  private static final int EPROTONOSUPPORT = 93;
  private static final int EAFNOSUPPORT = 97;

  /// Numbers of the x32 way to call an x86_64 kernel begin here.
  private static final int X32 = 0x4000_0000;

  /// `CLONE_NEW*`: name spaces of all kinds.
  private static final int NAME_SPACES = 0x7e02_0000;

  /// `TIOCSTI` and `TIOCLINUX` type on a terminal, `TIOCSETD` loads what drives one.
  private static final List<Integer> TERMINAL_TRICKS = List.of(0x5412, 0x541c, 0x5423);

  /// `AF_UNIX`, `AF_INET`, `AF_INET6`: in name spaces of their own. Others are not: `AF_VSOCK`
  /// leads out of a container to the machine's host.
  private static final List<Integer> FAMILIES = List.of(1, 2, 10);

  /// `AF_NETLINK`, and of its protocols `NETLINK_ROUTE`, by which addresses are looked up.
  private static final int NETLINK = 16;

  private static final int ROUTE = 0;

  /// What `personality` is asked for by programs: what they have, and old Linux.
  private static final List<Integer> PERSONALITIES = List.of(0, 8, 0x2_0000, 0x2_0008, -1);

  /// @param ifTrue how many instructions are skipped
  private record Step(int code, int value, int ifTrue, int ifFalse) {}

  private SystemCalls() {}

  /// The filter's program, as bubblewrap's `--seccomp` reads it.
  static byte[] filter(Platform platform) {
    boolean isX86 = platform == Platform.LINUX_X86_64;
    List<Step> p = new ArrayList<>();
    p.add(load(AT_ARCHITECTURE));
    p.add(new Step(IF_EQUAL, isX86 ? 0xc000_003e : 0xc000_00b7, 1, 0));
    p.add(answer(KILL));
    p.add(load(AT_NUMBER));
    if (isX86) {
      p.add(new Step(IF_AT_LEAST, X32, 0, 1));
      p.add(answer(ERROR | ENOSYS));
    }
    on(p, isX86 ? 56 : 220, onClone());
    on(p, isX86 ? 16 : 29, onIoctl());
    on(p, isX86 ? 41 : 198, onSocket());
    on(p, isX86 ? 135 : 92, onPersonality());
    TreeSet<Integer> left = new TreeSet<>(allowed(isX86 ? 1 : 2));
    while (!left.isEmpty()) {
      int first = left.removeFirst();
      int last = first;
      while (left.remove(last + 1)) {
        last++;
      }
      p.add(new Step(IF_AT_LEAST, first, 0, 2));
      p.add(new Step(IF_ABOVE, last, 1, 0));
      p.add(answer(ALLOW));
    }
    p.add(answer(ERROR | ENOSYS));
    ByteBuffer out = ByteBuffer.allocate(8 * p.size()).order(ByteOrder.LITTLE_ENDIAN);
    for (Step s : p) {
      out.putShort((short) s.code).put((byte) s.ifTrue).put((byte) s.ifFalse).putInt(s.value);
    }
    return out.array();
  }

  /// Processes and threads, without name spaces of their own. `clone3` is not on the list, because
  /// its flags cannot be seen from here: who calls it takes `clone` then.
  private static List<Step> onClone() {
    return List.of(
        load(argument(0)),
        new Step(IF_ANY_BIT, NAME_SPACES, 0, 1),
        answer(ERROR | EPERM),
        answer(ALLOW));
  }

  private static List<Step> onIoctl() {
    List<Step> steps = new ArrayList<>(List.of(load(argument(1))));
    for (int trick : TERMINAL_TRICKS) {
      steps.add(new Step(IF_EQUAL, trick, 0, 1));
      steps.add(answer(ERROR | EPERM));
    }
    steps.add(answer(ALLOW));
    return steps;
  }

  private static List<Step> onSocket() {
    List<Step> steps = new ArrayList<>(List.of(load(argument(0))));
    for (int family : FAMILIES) {
      steps.add(new Step(IF_EQUAL, family, 0, 1));
      steps.add(answer(ALLOW));
    }
    steps.add(new Step(IF_EQUAL, NETLINK, 1, 0));
    steps.add(answer(ERROR | EAFNOSUPPORT));
    steps.add(load(argument(2)));
    steps.add(new Step(IF_EQUAL, ROUTE, 1, 0));
    steps.add(answer(ERROR | EPROTONOSUPPORT));
    steps.add(answer(ALLOW));
    return steps;
  }

  private static List<Step> onPersonality() {
    List<Step> steps = new ArrayList<>(List.of(load(argument(0))));
    for (int one : PERSONALITIES) {
      steps.add(new Step(IF_EQUAL, one, 0, 1));
      steps.add(answer(ALLOW));
    }
    steps.add(answer(ERROR | EPERM));
    return steps;
  }

  /// What happens on one call; it must answer.
  private static void on(List<Step> p, int number, List<Step> steps) {
    p.add(new Step(IF_EQUAL, number, 0, steps.size()));
    p.addAll(steps);
  }

  private static Step load(int at) {
    return new Step(LOAD, at, 0, 0);
  }

  /// The lower half of an argument, which is all that the kernel looks at of those that are asked
  /// for here.
  private static int argument(int number) {
    return AT_ARGUMENTS + 8 * number;
  }

  private static Step answer(int what) {
    return new Step(RETURN, what, 0, 0);
  }

  private static List<Integer> allowed(int column) {
    try (InputStream in = Objects.requireNonNull(SystemCalls.class.getResourceAsStream(LIST))) {
      return new String(in.readAllBytes(), UTF_8)
          .lines()
          .filter(line -> !line.startsWith("#"))
          .map(line -> line.split(" ", -1)[column])
          .filter(number -> !number.equals("-"))
          .map(Integer::valueOf)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException("the list of system calls cannot be read", e);
    }
  }
}
