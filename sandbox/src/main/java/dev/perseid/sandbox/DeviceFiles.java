package dev.perseid.sandbox;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Which files of `/dev` and `/sys` belong to a GPU, by Linux's own tables. A GPU that is not found
/// in them has none.
///
/// What is read here follows the documentation of these drivers. It was tested against made-up
/// trees only, and never run on a machine with a GPU of NVIDIA, AMD or Intel.
final class DeviceFiles {
  /// PCI's number of the makers whose GPUs need more than a render node.
  static final int NVIDIA = 0x10DE;

  static final int AMD = 0x1002;

  /// What all of NVIDIA's GPUs share.
  private static final List<String> NVIDIA_SHARED =
      List.of("dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools");

  private static final Pattern SLOT =
      Pattern.compile("\\p{XDigit}{4}:\\p{XDigit}{2}:\\p{XDigit}{2}\\.[0-7]");
  private static final Pattern MINOR = Pattern.compile("Device Minor:\\s*(\\d{1,4})\\s*");

  private final Path root;

  /// @param root `/`, or what stands for it in a test
  DeviceFiles(Path root) {
    this.root = root;
  }

  /// A PCI address as the kernel writes it.
  static String slot(int domain, int bus, int device, int function) {
    return String.format("%04x:%02x:%02x.%d", domain, bus, device, function);
  }

  /// What a program needs of `/dev` to use a GPU.
  ///
  /// @param maker PCI's number of who made it
  /// @param slot its PCI address; may be empty
  List<Path> of(int maker, String slot) {
    if (!SLOT.matcher(slot).matches()) {
      return List.of();
    }
    List<Path> files = new ArrayList<>();
    if (maker == NVIDIA) {
      Optional<Path> own = nvidia(slot);
      if (own.isPresent()) {
        files.add(own.get());
        NVIDIA_SHARED.forEach(shared -> add(files, root.resolve(shared)));
      }
      return List.copyOf(files);
    }
    try {
      add(files, root.resolve("dev/dri/by-path/pci-" + slot + "-render").toRealPath());
    } catch (IOException e) {
      return List.of();
    }
    if (maker == AMD) {
      add(files, root.resolve("dev/kfd"));
    }
    return List.copyOf(files);
  }

  private Optional<Path> nvidia(String slot) {
    Path table = root.resolve("proc/driver/nvidia/gpus").resolve(slot).resolve("information");
    try {
      for (String line : Files.readString(table, StandardCharsets.ISO_8859_1).split("\n", -1)) {
        Matcher m = MINOR.matcher(line);
        if (m.matches()) {
          return Optional.of(root.resolve("dev/nvidia" + m.group(1))).filter(Files::exists);
        }
      }
    } catch (IOException e) {
      return Optional.empty();
    }
    return Optional.empty();
  }

  private static void add(List<Path> to, Path file) {
    if (Files.exists(file)) {
      to.add(file);
    }
  }

  /// What a driver reads of `/sys` to find a GPU: where it is plugged in, what numbers its files in
  /// `/dev` have, and the processors near it. Nothing of the other devices but that they are there.
  List<Path> systemFolders(String slot) {
    List<Path> folders = new ArrayList<>();
    for (String shared :
        List.of(
            "sys/bus/pci",
            "sys/class/drm",
            "sys/class/kfd",
            "sys/dev/char",
            "sys/devices/system",
            "sys/devices/virtual/kfd")) {
      add(folders, root.resolve(shared));
    }
    if (SLOT.matcher(slot).matches()) {
      try {
        add(folders, root.resolve("sys/bus/pci/devices").resolve(slot).toRealPath());
      } catch (IOException e) {
        return List.copyOf(folders);
      }
    }
    return List.copyOf(folders);
  }
}
