package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Model;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid model publish`.
@Command(
    name = "publish",
    description = "Publish a model: upload its files, sign its manifest, list it in the pool.")
final class ModelPublishCommand implements Callable<Integer> {
  @ParentCommand private ModelCommand models = new ModelCommand();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      paramLabel = "FOLDER",
      description = "With a " + ModelFolder.FILE + " and the files that it names.")
  private Path folder = Path.of("");

  @Option(names = "--dry-run", description = "Only say what would be published.")
  private boolean dryRun;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    Screen screen = models.main().screen();
    ModelFolder model = ModelFolder.read(folder);
    if (dryRun) {
      say(screen, model, "would publish", false);
      return Exit.OK;
    }
    try (PoolClient client = at.connect(models.main())) {
      boolean fresh = publish(client, model, screen);
      say(screen, model, fresh ? "published" : "is published already:", true);
    }
    return Exit.OK;
  }

  /// Publishes a model as the client's own.
  ///
  /// @return whether it was not published before
  static boolean publish(PoolClient client, ModelFolder model, Screen screen) throws PoolFailure {
    for (Proto.ListedModel listed : Models.of(client).all()) {
      if (Models.manifest(listed).equals(model.manifest().hash())) {
        return false;
      }
    }
    List<Blob> missing = client.missing(model.uploads().keySet());
    for (Blob blob : missing) {
      Upload upload = model.uploads().get(blob);
      if (upload == null) {
        throw new IllegalStateException("the pool misses a blob that was not asked for");
      }
      client.upload(
          blob,
          upload.content(),
          sent ->
              screen.redraw(
                  "uploading "
                      + upload.name()
                      + ": "
                      + Amounts.bytes(sent)
                      + " of "
                      + Amounts.bytes(blob.sizeBytes())));
    }
    Model signed =
        model
            .manifest()
            .toModel(client.self(), ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
    client.publish(signed);
    return true;
  }

  private void say(Screen screen, ModelFolder model, String what, boolean done) {
    String name =
        model.manifest().description().name() + ":" + model.manifest().description().version();
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeStringField("model", name);
        json.writeStringField("manifest", model.manifest().hash().hex());
        json.writeEndObject();
      });
      return;
    }
    screen.say(what + " " + name + " (" + model.manifest().hash().hex() + ")");
    for (Upload file : model.uploads().values()) {
      screen.say("  " + file.name() + "  " + Amounts.bytes(file.blob().sizeBytes()));
    }
    if (done) {
      screen.note("serve it: perseid provider --serve " + name);
    }
  }
}
