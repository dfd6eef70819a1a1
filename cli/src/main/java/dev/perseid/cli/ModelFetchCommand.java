package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelFile;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid model fetch`.
@Command(name = "fetch", description = "Get a model's files, each checked against its hash.")
final class ModelFetchCommand implements Callable<Integer> {
  @ParentCommand private ModelCommand models = new ModelCommand();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(index = "0", paramLabel = "MODEL", description = "See: perseid model list.")
  private String name = "";

  @Parameters(
      index = "1",
      paramLabel = "FOLDER",
      description = "Where to; made if it is not there.")
  private Path folder = Path.of("");

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    Screen screen = models.main().screen();
    try (PoolClient client = at.connect(models.main())) {
      Proto.ListedModel listed = Models.of(client).one(name);
      Path manifestFile = folder.resolve("manifest.json");
      byte[] bytes = get(client, Models.manifest(listed), manifestFile);
      Path configFile = folder.resolve("config.json");
      byte[] config = get(client, Manifest.configHash(bytes), configFile);
      Manifest manifest = Manifest.read(bytes, config);
      for (ModelFile file : manifest.files()) {
        screen.redraw("fetching " + file.title() + ", " + Amounts.bytes(file.size()));
        client.download(new Blob(file.hash(), file.size()), folder.resolve(file.title()));
      }
      screen.tell(
          shared.json,
          "fetched",
          Models.fullName(listed),
          "fetched "
              + Models.fullName(listed)
              + ": "
              + manifest.files().size()
              + " files in "
              + folder
              + ", each equal to its hash");
    } catch (BrokenModelException e) {
      throw new BadInput("the pool's manifest of " + name + " is broken: " + e.getMessage());
    }
    return Exit.OK;
  }

  private static byte[] get(PoolClient client, Hash hash, Path to) throws PoolFailure, IOException {
    long size =
        client
            .sizeOf(hash)
            .orElseThrow(() -> new IOException("the pool does not have " + hash + " any more"));
    client.download(new Blob(hash, size), to);
    return Files.readAllBytes(to);
  }
}
