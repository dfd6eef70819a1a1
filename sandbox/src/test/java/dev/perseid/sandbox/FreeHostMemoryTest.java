package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Against made-up files of the kernel's.
class FreeHostMemoryTest {
  private static final long MIB = 1 << 20;

  @TempDir Path root;

  private void write(String file, String text) throws IOException {
    Path path = root.resolve(file);
    Files.createDirectories(path.getParent());
    Files.writeString(path, text);
  }

  private void assertFree(long bytes) {
    FreeHostMemory memory = new FreeHostMemory(root);
    assertThat(memory.has(bytes)).isTrue();
    assertThat(memory.has(bytes + 1)).isFalse();
  }

  @Test
  void aSixteenthAndAQuarterGibibyteStay() throws IOException {
    // 16 GiB, of which 10 are free.
    write("proc/meminfo", "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 10485760 kB\n");
    assertFree(10_240 * MIB - 1_024 * MIB - 256 * MIB);
  }

  @Test
  void theGroupsLimitHoldsToo() throws IOException {
    write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:   10485760 kB\n");
    write("sys/fs/cgroup/memory.max", "max\n");
    write("sys/fs/cgroup/memory.current", "1048576\n");
    assertFree(10_240 * MIB - 1_280 * MIB);
    write("sys/fs/cgroup/memory.max", 4_096 * MIB + "\n");
    write("sys/fs/cgroup/memory.current", 2_048 * MIB + "\n");
    write("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file " + 512 * MIB + "\nslab 1\n");
    assertFree(2_560 * MIB - 1_280 * MIB);
  }

  @Test
  void whereNothingIsSaidAllMayBeTaken() {
    assertThat(new FreeHostMemory(root).has(Long.MAX_VALUE)).isTrue();
  }
}
