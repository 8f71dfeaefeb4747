# Reliability of maps of unique variance, from halves of the test images.


rule halve_test_images:
    input:
        predictions=lambda wildcards: predictions_for(
            "split_half",
            [(WHOLE, model) for model in STUDY.models_of(wildcards.comparison)],
            wildcards.subject,
        ),
        responses=f"{RESULTS}/responses/{{subject}}.h5",
        split=f"{RESULTS}/splits/{{subject}}/{WHOLE}.tsv",
    output:
        f"{RESULTS}/split_half/{{subject}}/{{comparison}}.h5",
    resources:
        **per_attempt(mem_mb=2000, runtime=30),
    params:
        **parameters("halve_test_images"),
    shell:
        command("halve_test_images")
