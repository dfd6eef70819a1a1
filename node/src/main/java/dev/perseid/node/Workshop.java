package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.inference.Backend;
import dev.perseid.sandbox.Sandbox;
import java.util.function.Consumer;

/// Makes the backends of real models.
final class Workshop implements BackendMaker {
  Workshop(
      ProviderConfig config,
      Sandbox sandbox,
      ProviderTransfer transfer,
      Consumer<String> notices) {}

  @Override
  public Backend make(ServedModel served, Model model) throws ModelUnusable {
    throw new ModelUnusable("later");
  }
}
