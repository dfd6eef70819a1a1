package dev.perseid.engine;

import java.lang.management.ManagementFactory;

/// What the calling thread has used so far: 0.2 to 0.5 microseconds a reading.
final class Meter {
  private final com.sun.management.ThreadMXBean threads =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

  long cpuNs() {
    return threads.getCurrentThreadCpuTime();
  }

  long bytes() {
    return threads.getCurrentThreadAllocatedBytes();
  }
}
