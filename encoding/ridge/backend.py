"""numpy on the CPU, torch on the CPU or a GPU: what the two do not spell alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

BACKENDS = ("numpy", "torch", "torch_cuda")
MATMUL_PRECISIONS = ("highest", "high", "medium")


class Arrays:
    """One array library and device.

    numpy computes parts of the voxels side by side, a BLAS thread each: the work between matrix
    products is shared out too. torch runs one operation after another and shares out each.

    Attributes
    ----------
    xp : the module, numpy or torch; both spell matmul, einsum, linalg.eigh, … alike
    workers : threads of the numpy backend, by default as many as BLAS may use
    """

    def __init__(self, backend: str = "numpy", workers: int | None = None) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend '{backend}'; choose {', '.join(BACKENDS)}")
        self.backend = backend
        self.device = "cuda" if backend == "torch_cuda" else "cpu"
        self.workers = 1
        if backend == "numpy":
            self.xp: Any = np
            self.workers = workers or _blas_threads()
        else:
            import torch

            if backend == "torch_cuda" and not torch.cuda.is_available():
                raise ValueError("backend torch_cuda: torch sees no GPU; choose numpy or torch")
            self.xp = torch

    def asarray(self, values: Any, dtype: str | None = None) -> Any:
        """Values on the device; `dtype` is a numpy name."""
        if self.xp is np:
            return np.asarray(values, dtype=dtype)
        to = getattr(self.xp, dtype) if dtype else None
        return self.xp.as_tensor(values, dtype=to, device=self.device)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        if self.xp is np:
            return np.empty(shape, dtype)
        return self.xp.empty(shape, dtype=getattr(self.xp, dtype), device=self.device)

    def to_numpy(self, values: Any) -> np.ndarray:
        return values if isinstance(values, np.ndarray) else values.cpu().numpy()

    def total(self, values: Any) -> Any:
        """Sum of each row in float64."""
        return values.sum(1, dtype=self.xp.float64)

    def contiguous(self, values: Any) -> Any:
        """Rows one after another in memory."""
        return np.ascontiguousarray(values) if self.xp is np else values.contiguous()

    def thin_qr(self, matrix: Any) -> tuple[Any, Any]:
        """Orthonormal columns, as many as the smaller side, and an upper triangle."""
        if self.xp is np:
            return scipy.linalg.qr(matrix, mode="economic", check_finite=False)
        return self.xp.linalg.qr(matrix)

    def full_qr(self, matrix: Any) -> tuple[Any, Any]:
        """As `thin_qr`, with as many orthonormal columns as there are rows."""
        if self.xp is np:
            return scipy.linalg.qr(matrix, check_finite=False)
        return self.xp.linalg.qr(matrix, mode="complete")

    def solve_positive(self, matrix: Any, right: Any) -> Any:
        """matrix⁻¹ right by Cholesky, for a symmetric positive definite matrix."""
        if self.xp is np:
            return scipy.linalg.solve(matrix, right, assume_a="pos", check_finite=False)
        return self.xp.cholesky_solve(right, self.xp.linalg.cholesky(matrix))

    def inverse_positive(self, matrix: Any) -> Any:
        """Inverse of a symmetric matrix; None if it is not positive definite."""
        if self.xp is not np:
            triangle, failed = self.xp.linalg.cholesky_ex(matrix)
            return None if failed else self.xp.cholesky_inverse(triangle)
        decompose, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
        triangle, failed = decompose(matrix, lower=True)
        if failed:
            return None
        lower = np.tril(invert(triangle, lower=True, overwrite_c=True)[0])
        return lower + np.tril(lower, -1).T

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """[function(item) for item in items], side by side where that is faster."""
        if self.xp is not np:
            return [function(item) for item in items]
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(function, items))


@contextmanager
def matmul_precision(arrays: Arrays, precision: str) -> Iterator[None]:
    """Let torch round the operands of float32 products: "high" to TF32, "medium" to bfloat16.

    "highest" is float32, and all that numpy knows.
    """
    if precision not in MATMUL_PRECISIONS:
        raise ValueError(
            f"unknown matmul precision '{precision}'; choose {', '.join(MATMUL_PRECISIONS)}"
        )
    if arrays.xp is np:
        if precision != "highest":
            raise ValueError(f"matmul precision '{precision}' needs a torch backend")
        yield
        return
    before = arrays.xp.get_float32_matmul_precision()
    arrays.xp.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        arrays.xp.set_float32_matmul_precision(before)


def _blas_threads() -> int:
    threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(threads, default=os.cpu_count() or 1)
