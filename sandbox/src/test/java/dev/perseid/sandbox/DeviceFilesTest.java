package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Against made-up trees, as the drivers' documentation describes them.
class DeviceFilesTest {
  private static final int INTEL = 0x8086;

  @TempDir Path folder;
  private Path root;
  private DeviceFiles files;

  @BeforeEach
  void open() throws IOException {
    root = folder.toRealPath();
    files = new DeviceFiles(root);
  }

  private Path write(String file, String text) throws IOException {
    Path path = root.resolve(file);
    Files.createDirectories(path.getParent());
    return Files.writeString(path, text);
  }

  private void nvidia(String slot, int minor) throws IOException {
    write(
        "proc/driver/nvidia/gpus/" + slot + "/information",
        "Model: \t\t NVIDIA Something\nIRQ:   \t\t 105\nBus Location: \t "
            + slot
            + "\nDevice Minor: \t "
            + minor
            + "\nGPU Excluded:\t No\n");
    write("dev/nvidia" + minor, "");
  }

  @Test
  void eachOfNvidiasHasItsOwnFileAndTheSharedOnes() throws IOException {
    nvidia("0000:65:00.0", 1);
    nvidia("0000:ca:00.0", 0);
    Path control = write("dev/nvidiactl", "");
    Path memory = write("dev/nvidia-uvm", "");
    assertThat(files.of(DeviceFiles.NVIDIA, "0000:65:00.0"))
        .containsExactly(root.resolve("dev/nvidia1"), control, memory);
    assertThat(files.of(DeviceFiles.NVIDIA, "0000:ca:00.0"))
        .containsExactly(root.resolve("dev/nvidia0"), control, memory);
    Path tools = write("dev/nvidia-uvm-tools", "");
    assertThat(files.of(DeviceFiles.NVIDIA, "0000:65:00.0")).hasSize(4).endsWith(tools);
  }

  @Test
  void oneThatIsNotFoundHasNone() throws IOException {
    write("dev/nvidiactl", "");
    write("dev/kfd", "");
    assertThat(files.of(DeviceFiles.NVIDIA, "0000:65:00.0")).isEmpty();
    assertThat(files.of(DeviceFiles.AMD, "0000:65:00.0")).isEmpty();
    assertThat(files.of(INTEL, "")).isEmpty();
    // What a driver says is not taken for a path.
    write("proc/driver/nvidia/gpus/information", "Device Minor: 7\n");
    write("dev/nvidia7", "");
    assertThat(files.of(DeviceFiles.NVIDIA, ".")).isEmpty();
    assertThat(files.of(DeviceFiles.NVIDIA, "../gpus")).isEmpty();
    nvidia("0000:66:00.0", 3);
    Files.delete(root.resolve("dev/nvidia3"));
    assertThat(files.of(DeviceFiles.NVIDIA, "0000:66:00.0")).isEmpty();
  }

  @Test
  void othersHaveARenderNodeAndAmdsAlsoKfd() throws IOException {
    Path first = write("dev/dri/renderD128", "");
    Path second = write("dev/dri/renderD129", "");
    Path kfd = write("dev/kfd", "");
    Files.createDirectories(root.resolve("dev/dri/by-path"));
    Files.createSymbolicLink(
        root.resolve("dev/dri/by-path/pci-0000:03:00.0-render"), Path.of("../renderD129"));
    Files.createSymbolicLink(
        root.resolve("dev/dri/by-path/pci-0000:00:02.0-render"), Path.of("../renderD128"));
    assertThat(files.of(DeviceFiles.AMD, "0000:03:00.0")).containsExactly(second, kfd);
    assertThat(files.of(INTEL, "0000:00:02.0")).containsExactly(first);
  }

  @Test
  void slotsAreWrittenAsTheKernelDoes() {
    assertThat(DeviceFiles.slot(0, 0x65, 0, 0)).isEqualTo("0000:65:00.0");
    assertThat(DeviceFiles.slot(0x10, 0xCA, 0x1F, 7)).isEqualTo("0010:ca:1f.7");
  }

  @Test
  void ofSysOnlyItsOwnPlaceAndTheTablesAreShown() throws IOException {
    Path own = root.resolve("sys/devices/pci0000:64/0000:64:00.0/0000:65:00.0");
    Files.createDirectories(own);
    Files.createDirectories(root.resolve("sys/devices/pci0000:64/0000:64:01.0/net"));
    Path table = Files.createDirectories(root.resolve("sys/bus/pci/devices")).getParent();
    Files.createSymbolicLink(
        table.resolve("devices/0000:65:00.0"),
        Path.of("../../../devices/pci0000:64/0000:64:00.0/0000:65:00.0"));
    Path numbers = Files.createDirectories(root.resolve("sys/dev/char"));
    assertThat(files.systemFolders("0000:65:00.0")).containsExactly(table, numbers, own);
    assertThat(files.systemFolders("")).isEqualTo(List.of(table, numbers));
    assertThat(files.systemFolders("0000:66:00.0")).isEqualTo(List.of(table, numbers));
  }
}
