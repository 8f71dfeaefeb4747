# Words of captions that go with the responses of regions.


rule associate_words:
    input:
        tree=TEXTS,
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        rois=f"{RESULTS}/rois/{{subject}}.tsv",
        encoding=f"{RESULTS}/encoding/{{subject}}/{WHOLE}/{STUDY.models[0]}.h5",
    output:
        f"{RESULTS}/keywords/{{subject}}.h5",
    resources:
        **per_attempt(mem_mb=3000, runtime=30),
    params:
        **parameters("associate_words"),
    shell:
        command("associate_words")
