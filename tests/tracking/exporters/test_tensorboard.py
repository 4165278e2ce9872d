from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from holdfast.tracking import Run
from holdfast.tracking.exporters.follow import follow
from holdfast.tracking.exporters.tensorboard import TensorBoard


def read(run: Run) -> EventAccumulator:
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    return events


def send(run: Run, status: str | None) -> None:
    follow(run.folder, "tensorboard", "files", TensorBoard(), lambda wait_s: status)


def test_the_event_files_hold_metrics_settings_results_and_pictures(run: Run) -> None:
    send(run, "finished")

    events = read(run)
    assert [(event.step, round(event.value, 6)) for event in events.Scalars("train/loss")] == [
        (5, 0.7),
        (10, 0.5),
    ]
    assert events.Scalars("valid/accuracy")[0].value == 0.75
    assert round(events.Scalars("test/macro_f1")[0].value, 6) == 0.9
    assert events.Images("test/confusion")[0].encoded_image_string.startswith(b"\x89PNG")
    picture = (run.folder / "sample_predictions" / "000.png").read_bytes()
    assert events.Images("samples/01 disc as square 80%")[0].encoded_image_string == picture
    texts = {
        tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode()
        for tag in ("settings", "test/samples")
    }
    assert "| optim.lr | 0.001 |" in texts["settings"]
    assert "| b | disc | square | 0.800 | <b>gull</b> |" in texts["test/samples"]
    assert "_hparams_/session_start_info" in events.Tags()["tensors"]


def test_a_run_that_is_taken_up_has_each_step_once(run: Run) -> None:
    send(run, None)
    run.log(15, loss=0.25)

    send(run, "finished")

    assert [event.step for event in read(run).Scalars("train/loss")] == [5, 10, 15]
