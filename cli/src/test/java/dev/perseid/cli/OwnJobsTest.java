package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OwnJobsTest {
  private static final Address POOL = new Address(1, 2, 3);
  private static final Address CONSUMER = new Address(4, 5, 6);

  @TempDir Path folder;

  @Test
  void budgetsAreKnownOfTheNewestJobsAndOfThisPoolOnly() throws Exception {
    Home home = Home.of(Map.of("PERSEID_HOME", folder.toString()));
    assertThat(OwnJobs.budget(home, POOL, JobId.of(CONSUMER, 1))).isEmpty();
    for (int i = 0; i <= 1_000; i++) {
      OwnJobs.note(home, POOL, JobId.of(CONSUMER, i), 10 + i);
    }
    assertThat(OwnJobs.budget(home, POOL, JobId.of(CONSUMER, 1_000)))
        .isEqualTo(OptionalLong.of(1_010));
    assertThat(OwnJobs.budget(home, POOL, JobId.of(CONSUMER, 1))).isEqualTo(OptionalLong.of(11));
    assertThat(OwnJobs.budget(home, POOL, JobId.of(CONSUMER, 0))).as("the oldest").isEmpty();
    assertThat(OwnJobs.budget(home, new Address(1, 2, 4), JobId.of(CONSUMER, 1))).isEmpty();
    Path file = folder.resolve("pools/" + POOL + ".jobs");
    Files.writeString(file, JobId.of(CONSUMER, 1) + " 99999999999999999999\n");
    assertThat(OwnJobs.budget(home, POOL, JobId.of(CONSUMER, 1))).as("no number").isEmpty();
  }
}
