package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.List;

/// A GPU of this machine, as OpenCL shows it.
///
/// @param index its place among all devices that OpenCL shows, of any kind: opaque
/// @param name what its driver calls it
/// @param memoryBytes how much memory its driver says that it has
/// @param slot where it is plugged in, as a PCI address like `0000:65:00.0`; empty if it has none
///   or its driver does not say
/// @param deviceFiles what a program needs of `/dev` to use it ([DeviceFiles]); empty for
///   processors
public record Gpu(int index, String name, long memoryBytes, String slot, List<Path> deviceFiles) {
  public Gpu {
    deviceFiles = List.copyOf(deviceFiles);
  }
}
