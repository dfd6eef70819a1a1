package dev.perseid.cli;

import dev.perseid.sandbox.Gpu;
import dev.perseid.sandbox.GpuWorker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid gpus`.
@Command(
    name = "gpus",
    description =
        "List the GPUs of this machine, as OpenCL shows them: what `perseid provider --native --gpus"
            + " N` lends the first N of.")
final class GpusCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Option(
      names = "--opencl-processors",
      description = "Also processors that OpenCL offers as devices.")
  private boolean processorsToo;

  @Override
  public Integer call() throws IOException, InterruptedException {
    GpuWorker.Found found;
    Path scratch = Files.createTempDirectory("perseid-gpus-");
    try {
      found = GpuWorker.find(scratch, processorsToo);
    } finally {
      Folders.delete(scratch);
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Gpu gpu : found.gpus()) {
              json.writeStartObject();
              json.writeStringField("name", gpu.name());
              json.writeNumberField("memory_bytes", gpu.memoryBytes());
              json.writeStringField("pci", gpu.slot());
              json.writeArrayFieldStart("device_files");
              for (Path file : gpu.deviceFiles()) {
                json.writeString(file.toString());
              }
              json.writeEndArray();
              json.writeEndObject();
            }
            json.writeEndArray();
          });
      return Exit.OK;
    }
    if (found.gpus().isEmpty()) {
      main.screen().note(found.problem());
      return Exit.OK;
    }
    Table table = new Table(">", "name", ">memory", "PCI", "device files");
    for (int i = 0; i < found.gpus().size(); i++) {
      Gpu gpu = found.gpus().get(i);
      table.row(
          i + 1,
          gpu.name(),
          Amounts.bytes(gpu.memoryBytes()),
          gpu.slot().isEmpty() ? "-" : gpu.slot(),
          gpu.deviceFiles().isEmpty()
              ? "-"
              : gpu.deviceFiles().stream().map(Path::toString).collect(Collectors.joining(" ")));
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }
}
