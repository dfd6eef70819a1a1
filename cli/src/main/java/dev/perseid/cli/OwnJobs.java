package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// The budgets of the jobs that this user submitted to each pool: `pools/0xADDRESS.jobs` in the
/// home folder, a line `JOB MICROCREDITS` for each, the newest last. What a pool says of a budget
/// would let it choose how much it may be owed.
final class OwnJobs {
  private static final int KEPT = 1_000;
  private static final long FILE_BYTES = 256L * KEPT;

  private OwnJobs() {}

  private static Path file(Home home, Address pool) {
    return home.folder().resolve("pools").resolve(pool + ".jobs");
  }

  /// Notes a job that is about to be submitted.
  static void note(Home home, Address pool, JobId job, long budget) throws BadInput {
    Path file = file(home, pool);
    try {
      List<String> lines = new ArrayList<>(lines(file));
      lines.add(job + " " + budget);
      List<String> newest = lines.subList(Math.max(0, lines.size() - KEPT), lines.size());
      Files.createDirectories(file.getParent());
      Path fresh = Files.createTempFile(file.getParent(), pool + ".jobs", ".new");
      Files.writeString(fresh, String.join("\n", newest) + "\n");
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be written: " + e.getMessage());
    }
  }

  /// The budget of a job, if it was submitted from here.
  static OptionalLong budget(Home home, Address pool, JobId job) throws BadInput {
    Path file = file(home, pool);
    try {
      for (String line : lines(file).reversed()) {
        String[] words = line.split(" ", -1);
        if (words.length == 2 && words[0].equals(job.toString()) && words[1].matches("\\d{1,18}")) {
          return OptionalLong.of(Long.parseLong(words[1]));
        }
      }
      return OptionalLong.empty();
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e.getMessage() + "; delete it");
    }
  }

  private static List<String> lines(Path file) throws IOException {
    return Files.isRegularFile(file) && Files.size(file) <= FILE_BYTES
        ? Files.readAllLines(file)
        : List.of();
  }
}
