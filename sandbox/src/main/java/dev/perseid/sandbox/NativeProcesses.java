package dev.perseid.sandbox;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// What the processes of a native program use and hold, as the kernel tells it outside of their
/// container, under `/proc`. What ends while it is looked at counts as nothing.
final class NativeProcesses {
  private static final Path SHM = Path.of("/dev/shm");

  private NativeProcesses() {}

  /// What processes use.
  ///
  /// @param bytes memory, also what of it is swapped out; what several of them share counts for
  ///   each
  /// @param sharedBytes what of it is of files in memory that they have mapped
  /// @param threads of all of them, at least one for each
  record Use(long bytes, long sharedBytes, int threads) {}

  /// Stops counting above [Limits#NATIVE_PROCESSES].
  static Use use(List<ProcessHandle> processes) {
    long bytes = 0;
    long sharedBytes = 0;
    int threads = 0;
    for (ProcessHandle process : processes) {
      Use one = use(process.pid());
      bytes += one.bytes;
      sharedBytes += one.sharedBytes;
      threads += Math.max(1, one.threads);
      if (threads > Limits.NATIVE_PROCESSES) {
        break;
      }
    }
    return new Use(bytes, sharedBytes, threads);
  }

  private static Use use(long pid) {
    Use whole = status(Path.of("/proc", Long.toString(pid)));
    if (whole.bytes > 0 || whole.threads < 2) {
      return whole;
    }
    // The first thread has ended, and only the others tell what they have together.
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(tasks(pid))) {
      for (Path task : tasks) {
        Use one = status(task);
        if (one.bytes > 0) {
          return one;
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return whole;
    }
    return whole;
  }

  private static Path tasks(long pid) {
    return Path.of("/proc", Long.toString(pid), "task");
  }

  private static Use status(Path of) {
    long bytes = 0;
    long sharedBytes = 0;
    long threads = 0;
    try {
      // A process may give itself a name that is no text.
      for (String line : lines(of.resolve("status"))) {
        if (line.startsWith("VmRSS:") || line.startsWith("VmSwap:")) {
          bytes += number(line) << 10;
        } else if (line.startsWith("RssShmem:")) {
          sharedBytes = number(line) << 10;
        } else if (line.startsWith("Threads:")) {
          threads = number(line);
        }
      }
    } catch (IOException e) {
      return new Use(0, 0, 0);
    }
    return new Use(bytes, sharedBytes, (int) threads);
  }

  /// The lines of a file of the kernel's. It escapes line feeds in names, and carriage returns not,
  /// so only the former end a line.
  private static List<String> lines(Path file) throws IOException {
    return List.of(Files.readString(file, StandardCharsets.ISO_8859_1).split("\n"));
  }

  private static long number(String line) {
    String digits = line.replaceAll("[^0-9]", "");
    return digits.isEmpty() || digits.length() > MOST_DIGITS ? 0 : Long.parseLong(digits);
  }

  private static final int MOST_DIGITS = 15;

  /// Whether a process has ended, though perhaps nobody has asked how. For the first in a container
  /// that is when all others there are gone too.
  static boolean isGone(ProcessHandle process) {
    return !process.isAlive() || isZombie(process.pid());
  }

  private static boolean isZombie(long pid) {
    try {
      Path status = Path.of("/proc", Long.toString(pid), "status");
      return lines(status).stream().anyMatch(line -> line.matches("State:\\s+[ZX].*"));
    } catch (IOException e) {
      return true;
    }
  }

  /// What is in `/dev/shm` as the processes see it, also what has no name any more.
  static long shmBytes(List<ProcessHandle> processes) {
    for (ProcessHandle process : processes) {
      File shm = shm(process).toFile();
      long bytes = shm.getTotalSpace();
      if (bytes > 0 && !device(shm.toPath()).equals(device(SHM))) { // else it is not inside yet
        return bytes - shm.getFreeSpace();
      }
    }
    return 0;
  }

  private static Path shm(ProcessHandle process) {
    return Path.of("/proc", Long.toString(process.pid()), "root/dev/shm");
  }

  private static Object device(Path of) {
    try {
      return Files.getAttribute(of, "unix:dev");
    } catch (IOException e) {
      return "none";
    }
  }

  /// What processes keep open though it has no name, so that it goes when they do.
  ///
  /// @param diskBytes on the disk
  /// @param memoryBytes in memory, without `/dev/shm`
  /// @param files how many these are
  /// @param open how many files of any kind are open, for each thread
  /// @param hidden whether some process does not let its open files be looked at
  record Held(long diskBytes, long memoryBytes, long files, long open, boolean hidden) {
    static final Held NOTHING = new Held(0, 0, 0, 0, false);
  }

  /// Looks at what is open. Stops above [Limits#NATIVE_FILES].
  ///
  /// @param disk a folder on the disk where they can write
  static Held held(List<ProcessHandle> processes, Path disk) {
    Look look = new Look(device(disk));
    for (ProcessHandle process : processes) {
      look.at(process);
    }
    return new Held(look.diskBytes, look.memoryBytes, look.files, look.open, look.hidden);
  }

  private static final class Look {
    private final Object disk;
    private final Set<Object> seen = new HashSet<>();
    private Object shm = "none";
    private long diskBytes;
    private long memoryBytes;
    private long files;
    private long open;
    private boolean hidden;

    Look(Object disk) {
      this.disk = disk;
    }

    /// Each thread may have open files of its own.
    void at(ProcessHandle process) {
      shm = device(shm(process));
      try (DirectoryStream<Path> tasks = Files.newDirectoryStream(tasks(process.pid()))) {
        for (Path task : tasks) {
          if (open > Limits.NATIVE_FILES) {
            return;
          }
          at(task);
        }
      } catch (IOException | DirectoryIteratorException e) {
        return; // it has ended
      }
    }

    private void at(Path task) {
      try (DirectoryStream<Path> numbers = Files.newDirectoryStream(task.resolve("fd"))) {
        for (Path number : numbers) {
          if (++open > Limits.NATIVE_FILES) {
            return;
          }
          count(number);
        }
      } catch (AccessDeniedException e) {
        // So it is also for one that is ending, but that has no memory any more.
        hidden |= status(task).bytes > 0;
      } catch (IOException | DirectoryIteratorException e) {
        return; // it has ended
      }
    }

    private void count(Path number) {
      try {
        BasicFileAttributes is = Files.readAttributes(number, BasicFileAttributes.class);
        if (!is.isRegularFile() || !seen.add(is.fileKey())) {
          return;
        }
        Object device = device(number);
        if (!Files.getAttribute(number, "unix:nlink").equals(0) || device.equals(shm)) {
          return;
        }
        files++;
        if (device.equals(disk)) {
          diskBytes += is.size();
        } else {
          memoryBytes += is.size();
        }
      } catch (IOException e) {
        return; // it has been closed
      }
    }
  }
}
