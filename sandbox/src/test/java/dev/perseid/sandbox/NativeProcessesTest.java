package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What can be seen of processes, tried on this one.
class NativeProcessesTest {
  private static final List<ProcessHandle> THIS = List.of(ProcessHandle.current());

  @Test
  void threadsCount() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      threads.add(
          Thread.ofPlatform()
              .start(() -> {
                try {
                  end.await();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              }));
    }
    try {
      NativeProcesses.Use use = NativeProcesses.use(THIS);
      assertThat(use.threads()).isGreaterThan(100);
      assertThat(use.bytes()).isGreaterThan(10L << 20);
      List<ProcessHandle> many = Collections.nCopies(1_000, ProcessHandle.current());
      assertThat(NativeProcesses.use(many).threads())
          .isBetween(Limits.NATIVE_PROCESSES + 1, 20 * Limits.NATIVE_PROCESSES);
    } finally {
      end.countDown();
      for (Thread thread : threads) {
        thread.join();
      }
    }
  }

  @Test
  void openFilesWithoutANameCountOnce(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("file");
    long size = 100L << 30; // more than any other here
    try (FileChannel one =
            FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileChannel _ = FileChannel.open(file, StandardOpenOption.READ)) {
      one.position(size - 1).write(ByteBuffer.wrap(new byte[1]));
      NativeProcesses.Held named = NativeProcesses.held(THIS, folder);
      assertThat(named.diskBytes()).isLessThan(size);
      assertThat(named.open()).isPositive();
      Files.delete(file);
      NativeProcesses.Held held = NativeProcesses.held(THIS, folder);
      assertThat(held.diskBytes()).isBetween(size, 2 * size - 1);
      assertThat(held.files()).isPositive();
      assertThat(held.hidden()).isFalse();
    }
  }

  @Test
  void whatHasEndedCountsAsNothing() throws Exception {
    Process process = new ProcessBuilder("true").start();
    ProcessHandle gone = process.toHandle();
    process.waitFor();
    assertThat(NativeProcesses.use(List.of(gone))).isEqualTo(new NativeProcesses.Use(0, 0, 1));
    assertThat(NativeProcesses.held(List.of(gone), Path.of("/")))
        .isEqualTo(NativeProcesses.Held.NOTHING);
    assertThat(NativeProcesses.shmBytes(List.of(gone))).isZero();
    assertThat(NativeProcesses.shmBytes(THIS)).as("not in a container").isZero();
  }
}
