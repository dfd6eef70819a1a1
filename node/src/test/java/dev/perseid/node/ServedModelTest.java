package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.DataPolicy;
import dev.perseid.core.TokenPrice;
import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// What people write of the models that they serve.
final class ServedModelTest {
  @Test
  void aModelComesFromThePoolAFileOrAServer() {
    ServedModel plain = ServedModel.parse("me/m:2");
    assertThat(plain.model()).isEqualTo("me/m:2");
    assertThat(plain.source()).isEqualTo(new ServedModel.Source.Published());
    assertThat(plain.policy()).isEqualTo(DataPolicy.KEEPS_NOTHING);
    assertThat(plain.sealed()).isTrue();
    assertThat(plain.endpoint("x")).isEmpty();
    assertThat(ServedModel.parse("me/m=models/m.gguf").source())
        .isEqualTo(new ServedModel.Source.Local(Path.of("models/m.gguf")));
    assertThat(ServedModel.parse("me/m=http://127.0.0.1:8000/v1#org/Name=7").source())
        .isEqualTo(
            new ServedModel.Source.Server(
                URI.create("http://127.0.0.1:8000/v1"),
                Optional.of("org/Name=7"),
                Optional.empty(),
                false,
                Optional.empty()));
    assertThat(ServedModel.parse("me/m=HTTPS://gpu.example/v1").source())
        .isInstanceOf(ServedModel.Source.Server.class);
  }

  @Test
  void whatIsChosenStays() {
    ServedModel all =
        ServedModel.of("m")
            .parallel(3)
            .context(2_048)
            .threads(4)
            .in("eu")
            .promising(DataPolicy.COLLECTS)
            .at(new TokenPrice(1, 2, 3, 4, 5))
            .unsealed()
            .from(
                new ServedModel.Source.Server(
                    URI.create("http://10.0.0.1:8000/v1"),
                    Optional.empty(),
                    Optional.empty(),
                    true,
                    Optional.empty()));
    assertThat(all.parallel()).isEqualTo(OptionalInt.of(3));
    assertThat(all.contextTokens()).isEqualTo(OptionalInt.of(2_048));
    assertThat(all.threads()).isEqualTo(OptionalInt.of(4));
    assertThat(all.region()).contains("eu");
    assertThat(all.policy()).isEqualTo(DataPolicy.COLLECTS);
    assertThat(all.price().perMillionRequests()).isEqualTo(5);
    assertThat(all.sealed()).isFalse();
    assertThat(all.endpoint("x")).isEqualTo("http://10.0.0.1:8000/v1#x");
  }

  @Test
  void whatIsImpossibleIsRefusedWithWhatToWrite() {
    ServedModel m = ServedModel.of("m");
    assertThatThrownBy(() -> ServedModel.parse("=x")).hasMessageContaining("a name");
    assertThatThrownBy(() -> ServedModel.parse("m=")).hasMessageContaining("MODEL=FILE");
    assertThatThrownBy(() -> ServedModel.parse("m=http://")).hasMessageContaining("http");
    assertThatThrownBy(() -> ServedModel.parse("m=http://a:b@c/v1"))
        .hasMessageContaining("write the key to a file")
        .message()
        .doesNotContain("a:b");
    assertThatThrownBy(() -> m.parallel(0)).hasMessageContaining("parallel is 0; it must be 1 to");
    assertThatThrownBy(() -> m.context(-1)).hasMessageContaining("context is -1");
    assertThatThrownBy(() -> m.threads(9_999)).hasMessageContaining("1 to 1024");
    assertThatThrownBy(() -> m.in("a b")).hasMessageContaining("region is 'a b'");
    assertThatThrownBy(() -> m.at(new TokenPrice(0, 0, -1, 0, 0)))
        .hasMessageContaining("price is -1");
    assertThatThrownBy(() ->
            new ServedModel.Source.Server(
                URI.create("http://a/v1"),
                Optional.empty(),
                Optional.of(Path.of("key")),
                true,
                Optional.empty()))
        .hasMessageContaining("without a key");
    assertThatThrownBy(() ->
            new ServedModel.Source.Server(
                URI.create("http://a/v1"),
                Optional.empty(),
                Optional.empty(),
                false,
                Optional.of(new TreeSet<>(Set.of("temperature", "top p")))))
        .hasMessageContaining("honours is 'top p'");
  }
}
