"""What the teams wrote that we replace: FastAPI, eager torch in an async handler. In our own environment."""

import io
import os

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

from benchmarks.serving_models import torch_model

app = FastAPI()
model, size = torch_model(os.environ["MODEL"]), int(os.environ["SIZE"])


@app.post("/predict")
async def predict(request: Request) -> dict[str, object]:
    """Everything in the event loop."""
    image = Image.open(io.BytesIO(await request.body())).convert("RGB").resize((size, size))
    with torch.inference_mode():
        logits, _ = model(torch.from_numpy(np.asarray(image).copy())[None])
    row = logits.softmax(-1)[0]
    return {"label": int(row.argmax()), "probabilities": row.tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error", access_log=False)
